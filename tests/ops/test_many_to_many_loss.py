import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.ops.many_to_many_loss import NO_MATCH, many_to_many_loss
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.targets import PairMatches, PairTargets
from tests.ops.predictions import predictions_of


def pairs_of(rows, room=0):
    """From (image, object, prior), with room behind them."""
    rows = torch.tensor([*rows, *[(0, 0, 0)] * room], dtype=torch.long).reshape(-1, 3)
    return PairMatches(*rows.unbind(1), torch.arange(len(rows)) < len(rows) - room)


def test_hand_computed_sums():
    # One image, four priors, two classes and the background: logits of 0 but for one confident prior.
    scores = torch.zeros(1, 4, 3)
    scores[0, 2, 1] = math.log(2)
    deltas = torch.zeros(1, 4, 4)
    # The first prior serves two objects of different classes.
    pairs = pairs_of([(0, 0, 0), (0, 1, 0)], room=3)
    targets = torch.tensor([[0.5, 0, 0, 0], [0, 2.0, 0, 0], *[[9.0, 9, 9, 9]] * 3])
    wanted = PairTargets(pairs, torch.tensor([0, 1, 0, 0, 0]), targets)
    sums = many_to_many_loss(predictions_of(scores, deltas), wanted, neg_pos_ratio=0.5)
    assert sums.cls == pytest.approx(2 * math.log(3)) and sums.num_pairs == 2
    assert sums.bbox == pytest.approx(0.5 * 0.25 + 1.5)
    # One negative: the prior that is surest of a class, softmax 1/4, 1/2, 1/4.
    assert sums.no_match == pytest.approx(math.log(4))


def test_the_texts_term_of_an_unmatched_prior_by_hand():
    # Class scores 1, 2 and the background 1: c_max / sum(c) = 1/2 in both mined priors, log(1 + 1/2) each. The
    # cross-entropy with the background would be log(4).
    scores = torch.zeros(1, 4, 3)
    scores[0, 2:, 1] = math.log(2)
    targets = PairTargets(pairs_of([(0, 0, 0)]), torch.tensor([0]), torch.zeros(1, 4))
    predictions = predictions_of(scores, torch.zeros(1, 4, 4))
    sums = many_to_many_loss(predictions, targets, neg_pos_ratio=2, no_match='best_class')
    assert sums.no_match == pytest.approx(2 * math.log(1.5))
    sums = many_to_many_loss(predictions, targets, neg_pos_ratio=2)
    assert sums.no_match == pytest.approx(2 * math.log(4))


def test_an_unknown_term_is_an_error():
    targets = PairTargets(pairs_of([(0, 0, 0)]), torch.tensor([0]), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="no_match must be one of .*got 'sum'"):
        many_to_many_loss(predictions_of(torch.zeros(1, 4, 3), torch.zeros(1, 4, 4)), targets, no_match='sum')


def test_excluded_priors_are_not_mined():
    scores = torch.randn(1, 4, 3)
    pairs = pairs_of([(0, 0, 0)])._replace(excluded=torch.tensor([[False, True, True, False]]))
    targets = PairTargets(pairs, torch.tensor([0]), torch.zeros(1, 4))
    sums = many_to_many_loss(predictions_of(scores, torch.zeros(1, 4, 4)), targets)
    expected = -scores[0, 3].log_softmax(0)[2]
    assert sums.no_match == pytest.approx(expected.item(), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.integers(0, 12), term=st.sampled_from(NO_MATCH))
def test_it_equals_a_plain_loop_over_pairs(seed, number, term):
    torch.manual_seed(seed)
    batch, priors, outputs = 2, 15, 4
    scores = torch.randn(batch, priors, outputs, requires_grad=True)
    deltas = torch.randn(batch, priors, 4, requires_grad=True)
    rows = sorted({(int(torch.randint(batch, ())), 0, int(torch.randint(priors, ()))) for _ in range(number)})
    labels, targets = torch.randint(outputs - 1, (len(rows) + 2,)), torch.randn(len(rows) + 2, 4)
    predictions = predictions_of(scores, deltas, OutputLayout(outputs - 1, 'first'))
    sums = many_to_many_loss(predictions, PairTargets(pairs_of(rows, room=2), labels, targets), 2, no_match=term)
    log = scores[..., [1, 2, 3, 0]].log_softmax(-1)
    cls = sum(-log[i, p, labels[k]] for k, (i, _, p) in enumerate(rows))
    bbox = sum(
        torch.nn.functional.smooth_l1_loss(deltas[i, p], targets[k], reduction='sum')
        for k, (i, _, p) in enumerate(rows)
    )
    no_match = 0
    for image in range(batch):
        free = [p for p in range(priors) if (image, 0, p) not in rows]
        free.sort(key=lambda p: -log[image, p, :-1].max())
        mined = free[: 2 * sum(i == image for i, _, _ in rows)]
        if term == 'background':
            no_match += sum(-log[image, p, -1] for p in mined)
        else:
            scores_of = scores.exp()[image]
            no_match += sum((1 + scores_of[p, 1:].max() / scores_of[p].sum()).log() for p in mined)
    for found, expected in zip(sums, (cls, no_match, bbox, len(rows))):
        assert float(found) == pytest.approx(float(expected), rel=1e-4, abs=1e-5)
    if rows:
        found = torch.autograd.grad(sums.cls + sums.no_match + sums.bbox, (scores, deltas))
        for ours, plain in zip(found, torch.autograd.grad(cls + no_match + bbox, (scores, deltas))):
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_without_pairs_all_sums_are_zero():
    targets = PairTargets(pairs_of([], room=4), torch.zeros(4, dtype=torch.long), torch.zeros(4, 4))
    sums = many_to_many_loss(predictions_of(torch.randn(2, 5, 3), torch.randn(2, 5, 4)), targets)
    assert [float(value) for value in sums] == [0, 0, 0, 0]
