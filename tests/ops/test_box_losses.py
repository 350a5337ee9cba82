import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss

from ssd_plugin.ops.box_losses import box_loss, overlap_loss
from ssd_plugin.ops.boxes import decode, elementwise_iou, encode, pairwise_iou
from tests.ops.predictions import predictions_of

THEIRS = dict(giou=generalized_box_iou_loss, diou=distance_box_iou_loss, ciou=complete_box_iou_loss)


def boxes(number, seed):
    torch.manual_seed(seed)
    corner = torch.rand(number, 2) * 60
    return torch.cat([corner, corner + 1 + torch.rand(number, 2) * 60], dim=1)


def test_hand_computed_values():
    # Two squares of side 2 that share one of four unit squares: IoU 1/7, enclosed by a square of side 3.
    a, b = torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 1, 3, 3]])
    assert overlap_loss(a, b, 'iou').item() == pytest.approx(6 / 7)
    assert overlap_loss(a, b, 'giou').item() == pytest.approx(6 / 7 + 2 / 9)
    assert overlap_loss(a, b, 'diou').item() == pytest.approx(6 / 7 + 2 / 18)
    # The same aspect ratio.
    assert overlap_loss(a, b, 'ciou').item() == pytest.approx(6 / 7 + 2 / 18)
    wide = torch.tensor([[0.0, 0, 2, 1]])
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    assert overlap_loss(wide, a, 'ciou').item() == pytest.approx(0.5 + 0.25 / 8 + v * v / (0.5 + v), rel=1e-5)


@pytest.mark.parametrize('kind', THEIRS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_values_and_gradients_equal_torchvisions(kind, seed):
    predicted, target = boxes(30, seed).double(), boxes(30, seed + 1).double()
    ours, theirs = predicted.clone().requires_grad_(), predicted.clone().requires_grad_()
    found, expected = overlap_loss(ours, target, kind), THEIRS[kind](theirs, target)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('kind', ['iou', *THEIRS])
def test_equal_boxes_have_no_loss_and_boxes_apart_are_pulled_together(kind):
    a = boxes(10, 0)
    torch.testing.assert_close(overlap_loss(a, a, kind), torch.zeros(10), atol=1e-6, rtol=0)
    apart = (a + 200).requires_grad_()
    overlap_loss(apart, a, kind).sum().backward()
    # IoU alone cannot.
    assert (apart.grad.sum() > 0) == (kind != 'iou')


def test_iou_is_the_diagonal_of_all_pairs():
    a, b = boxes(40, 1), boxes(40, 2)
    torch.testing.assert_close(elementwise_iou(a, b), pairwise_iou(a, b).diagonal())
    nothing = torch.zeros(1, 4)
    assert elementwise_iou(nothing, nothing).item() == 0


@pytest.mark.parametrize('kind', ['smooth_l1', 'iou', *THEIRS])
def test_only_decoded_boxes_of_positives_are_compared(kind):
    priors, objects = boxes(6, 3), boxes(6, 3) + torch.tensor([3.0, -2, 5, 4])
    targets = encode(priors, objects, 0.1, 0.2).unsqueeze(0)
    deltas = torch.randn(1, 6, 4, requires_grad=True)
    positive = torch.tensor([[True, False, True, False, False, True]])
    # What stands where nothing is to be predicted is not read.
    targets[~positive] = math.nan

    predictions = predictions_of(torch.zeros(1, 6, 2), deltas)._replace(priors=priors)
    found = box_loss(predictions, deltas, targets, positive, kind)
    found.backward()
    if kind == 'smooth_l1':
        expected = torch.nn.functional.smooth_l1_loss(deltas[positive], targets[positive], reduction='sum')
    else:
        expected = overlap_loss(decode(priors, deltas, 0.1, 0.2)[positive], objects.unsqueeze(0)[positive], kind).sum()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not deltas.grad[~positive].any() and deltas.grad[positive].any(dim=-1).all()


@pytest.mark.parametrize('deltas', [1e4, -1e4, math.inf])
@pytest.mark.parametrize('kind', ['iou', *THEIRS])
def test_absurd_offsets_give_a_finite_loss(deltas, kind):
    offsets = torch.full((1, 4, 4), deltas)
    predictions = predictions_of(torch.zeros(1, 4, 2), offsets)._replace(priors=boxes(4, 4))
    found = box_loss(predictions, offsets, torch.zeros(1, 4, 4), torch.ones(1, 4, dtype=torch.bool), kind)
    assert found.isfinite()


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="box_loss must be one of .*'giou'.* got 'l2'"):
        overlap_loss(boxes(1, 0), boxes(1, 1), 'l2')
