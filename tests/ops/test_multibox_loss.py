import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.ops.multibox_loss import cross_entropy, hardest
from ssd_plugin.ops.multibox_loss import multibox_loss as loss_of_predictions
from ssd_plugin.ops.output_layout import OutputLayout
from ssd_plugin.ops.targets import PriorTargets
from tests.ops.predictions import predictions_of


def multibox_loss(logits, deltas, labels, targets, *args, layout=None, **kwargs):
    """The loss of ``(B, P, K)`` logits and ``(B, P, 4)`` offsets."""
    return loss_of_predictions(predictions_of(logits, deltas, layout), PriorTargets(labels, targets), *args, **kwargs)


def loss_image_by_image(logits, deltas, labels, targets, ratio, beta, mining, if_empty):
    """The formulas, one image after another."""
    background = logits.shape[-1] - 1
    total_cls, total_bbox, positives = 0.0, 0.0, 0
    for scores, offsets, label, target in zip(logits, deltas, labels, targets):
        positive = [i for i, c in enumerate(label.tolist()) if 0 <= c < background]
        negative = [i for i, c in enumerate(label.tolist()) if c == background]
        log_probability = F.log_softmax(scores, dim=-1)
        if mining == 'background':
            hardness = -log_probability[:, background]
        else:
            hardness = log_probability[:, :background].max(dim=-1).values
        negative.sort(key=lambda i: -hardness[i].item())
        count = int(ratio * len(positive)) if positive else if_empty
        for i in positive + negative[:count]:
            total_cls = total_cls - log_probability[i, label[i]]
        for i in positive:
            error = (offsets[i] - target[i]).abs()
            total_bbox = total_bbox + torch.where(error < beta, 0.5 * error**2 / beta, error - 0.5 * beta).sum()
        positives += len(positive)
    return total_cls, total_bbox, positives


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 4),
    num_priors=st.integers(1, 30),
    positive_share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    mining=st.sampled_from(['background', 'foreground']),
    if_empty=st.sampled_from([0, 5]),
    ratio=st.sampled_from([3.0, 1.0]),
)
def test_values_and_gradients_equal_the_formulas(seed, batch, num_priors, positive_share, mining, if_empty, ratio):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, num_priors, 5, generator=random).requires_grad_()
    deltas = torch.randn(batch, num_priors, 4, generator=random).requires_grad_()
    targets = torch.randn(batch, num_priors, 4, generator=random)
    chance = torch.rand(batch, num_priors, generator=random)
    labels = torch.where(chance < positive_share, torch.randint(0, 4, (batch, num_priors), generator=random), 4)
    labels[chance > 0.95] = -1
    labels[0] = 4  # an image without objects

    ours = multibox_loss(logits, deltas, labels, targets, ratio, 1.0, mining, if_empty)
    cls, bbox, positives = loss_image_by_image(logits, deltas, labels, targets, ratio, 1.0, mining, if_empty)
    assert ours.num_positives == positives
    torch.testing.assert_close(ours.cls, torch.as_tensor(cls, dtype=torch.float32), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.bbox, torch.as_tensor(bbox, dtype=torch.float32), rtol=1e-4, atol=1e-4)
    found = torch.autograd.grad(ours.cls + ours.bbox, (logits, deltas))
    # Adding 0 of every input gives the plain sums a graph where nothing counts.
    expected = torch.autograd.grad(cls + bbox + 0 * (logits.sum() + deltas.sum()), (logits, deltas))
    torch.testing.assert_close(found, expected)


def test_hand_computed_value():
    # Uniform scores over two classes: every cross-entropy is log 2. One positive and three of the four negatives count.
    logits, labels = torch.zeros(1, 5, 2), torch.tensor([[0, 1, 1, 1, 1]])
    deltas = torch.tensor([0.5, 2.0, 0.0, 0.0]).expand(1, 5, 4)
    sums = multibox_loss(logits, deltas, labels, torch.zeros(1, 5, 4))
    torch.testing.assert_close(sums.cls, 4 * torch.tensor(2.0).log())
    torch.testing.assert_close(sums.bbox, torch.tensor(0.5 * 0.25 + 1.5))


def test_mining_is_per_image():
    # The second image's negatives are all harder, but it has no positive: none of them counts.
    logits = torch.zeros(2, 4, 2)
    logits[1, :, 0] = 10.0
    labels = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    sums = multibox_loss(logits, torch.zeros(2, 4, 4), labels, torch.zeros(2, 4, 4))
    torch.testing.assert_close(sums.cls, 4 * torch.tensor(2.0).log())


def test_targets_of_negatives_are_not_read():
    labels = torch.tensor([[0, 1, 1]])
    targets = torch.tensor([[0.0] * 4, [float('nan')] * 4, [float('inf')] * 4])[None]
    deltas = torch.zeros(1, 3, 4, requires_grad=True)
    sums = multibox_loss(torch.zeros(1, 3, 2), deltas, labels, targets)
    sums.bbox.backward()
    assert sums.bbox == 0 and deltas.grad.isfinite().all()


def test_half_precision_is_summed_in_float32():
    logits = torch.full((4, 1000, 21), 5.0)
    logits[..., 0] = 30.0
    labels = torch.ones(4, 1000, dtype=torch.long)
    half = multibox_loss(logits.half(), torch.zeros(4, 1000, 4).half(), labels, torch.zeros(4, 1000, 4))
    full = multibox_loss(logits, torch.zeros(4, 1000, 4), labels, torch.zeros(4, 1000, 4))
    assert half.cls.dtype == torch.float32 and full.cls > torch.finfo(torch.float16).max
    torch.testing.assert_close(half.cls, full.cls)


def test_hardest_breaks_ties_by_index_and_takes_all_if_fewer_are_eligible():
    hardness, eligible = torch.ones(3, 4), torch.tensor([[True] * 4, [False, True, False, True], [False] * 4])
    assert hardest(hardness, eligible, torch.tensor([2, 9, 1])).tolist() == [
        [True, True, False, False],
        [False, True, False, True],
        [False] * 4,
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(['normal', 'few values', 'negative', 'tiny', 'infinite']),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_hardest_equals_a_stable_sort(seed, kind, share):
    torch.manual_seed(seed)
    hardness = torch.randn(3, 50) * 10
    if kind == 'few values':
        hardness = hardness.round() / 4
    elif kind == 'negative':
        hardness = -hardness.abs()
    elif kind == 'tiny':
        hardness = hardness * 1e-40
    elif kind == 'infinite':
        hardness[:, ::7] = torch.inf
        hardness[:, 3::7] = -torch.inf
    eligible = torch.rand(3, 50) < share
    count = torch.randint(0, 60, (3,))
    found = hardest(hardness, eligible, count)
    for image in range(3):
        order = [i for i in hardness[image].sort(descending=True, stable=True).indices.tolist() if eligible[image, i]]
        assert sorted(order[: count[image]]) == found[image].nonzero().flatten().tolist()


@pytest.mark.parametrize('channels_last', [False, True])
def test_cross_entropy_of_maps_is_that_of_their_priors(channels_last):
    maps = [torch.randn(2, 3 * 5, 4, 6), torch.randn(2, 2 * 5, 1, 1)]
    if channels_last:
        maps = [m.to(memory_format=torch.channels_last) for m in maps]
    outputs = torch.randint(0, 5, (2, 3 * 24 + 2))
    flat = torch.cat([m.permute(0, 2, 3, 1).reshape(2, -1, 5) for m in maps], dim=1)
    expected = F.cross_entropy(flat.transpose(1, 2), outputs, reduction='none')
    torch.testing.assert_close(cross_entropy(maps, outputs, 5), expected)


@pytest.mark.parametrize(
    'layout, order',
    [(OutputLayout(3, 'first'), [1, 2, 3, 0]), (OutputLayout(2, 'first', unused=(2,)), [1, 3, 0, 2])],
)
@pytest.mark.parametrize('mining', ['background', 'foreground'])
def test_the_layout_says_which_output_a_label_is(layout, order, mining):
    # The order of the outputs in which the last of the labels is the background, and an unused output has no label.
    logits, labels = torch.randn(1, 30, 4), torch.randint(0, layout.num_classes + 1, (1, 30))
    zeros = torch.zeros(1, 30, 4)
    found = multibox_loss(logits, zeros, labels, zeros, mining=mining, layout=layout)
    log = logits.log_softmax(-1)[0]
    background = (labels[0] == layout.num_classes).nonzero().flatten()
    others = [output for output in order if output != 0]
    hardness = -log[background, 0] if mining == 'background' else log[background][:, others].amax(dim=-1)
    positives = (labels[0] < layout.num_classes).nonzero().flatten()
    mined = background[hardness.argsort(descending=True)][: 3 * len(positives)]
    expected = -sum(log[prior, order[labels[0, prior]]] for prior in [*positives.tolist(), *mined.tolist()])
    torch.testing.assert_close(found.cls, expected)


def test_unknown_mining_is_refused():
    with pytest.raises(ValueError, match='mining'):
        multibox_loss(
            torch.zeros(1, 1, 2), torch.zeros(1, 1, 4), torch.zeros(1, 1).long(), torch.zeros(1, 1, 4), mining='random'
        )
