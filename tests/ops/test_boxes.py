import math

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.ops import boxes as ops


def box():
    coordinate, side = st.floats(0, 500), st.floats(1, 500)
    return st.tuples(coordinate, coordinate, side, side).map(lambda b: [b[0], b[1], b[0] + b[2], b[1] + b[3]])


def test_iou_of_hand_computed_pairs():
    a = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 0.0, 0.0]])
    b = torch.tensor([[5.0, 5.0, 15.0, 15.0], [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    torch.testing.assert_close(ops.pairwise_iou(a, b), torch.tensor([[25 / 175, 1.0, 0.0], [0.0, 0.0, 0.0]]))


@given(st.lists(box(), min_size=1, max_size=8), st.lists(box(), min_size=1, max_size=8))
def test_iou_equals_torchvision(first, second):
    a, b = torch.tensor(first), torch.tensor(second)
    torch.testing.assert_close(ops.pairwise_iou(a, b), torchvision.ops.box_iou(a, b))


def test_iou_broadcasts_over_the_batch():
    boxes, priors = torch.rand(3, 5, 4) * 100, torch.rand(7, 4) * 100
    boxes[..., 2:] += boxes[..., :2]
    priors[..., 2:] += priors[..., :2]
    expected = torch.stack([torchvision.ops.box_iou(image, priors) for image in boxes])
    torch.testing.assert_close(ops.pairwise_iou(boxes, priors), expected)


def test_encode_of_hand_computed_row():
    prior, target = (
        torch.tensor([[10.0, 10.0, 30.0, 50.0]]),
        torch.tensor([[14.0, 10.0, 34.0, 30.0]]),
    )  # centers (20,30) and (24,20)
    expected = torch.tensor([[4 / 20 / 0.1, -10 / 40 / 0.1, math.log(1) / 0.2, math.log(20 / 40) / 0.2]])
    torch.testing.assert_close(ops.encode(prior, target, 0.1, 0.2), expected)


@given(box(), box(), st.sampled_from([(0.1, 0.2), (1.0, 1.0)]))
def test_decode_inverts_encode(prior, target, variances):
    prior, target = torch.tensor([prior], dtype=torch.float64), torch.tensor([target], dtype=torch.float64)
    torch.testing.assert_close(ops.decode(prior, ops.encode(prior, target, *variances), *variances), target)


@given(box(), st.lists(st.floats(-100, 100), min_size=4, max_size=4))
def test_encode_inverts_decode(prior, deltas):
    prior, deltas = torch.tensor([prior], dtype=torch.float64), torch.tensor([deltas], dtype=torch.float64) / 10
    # Far below MIN_SIDE a side is no longer told from none.
    decoded = ops.decode(prior, deltas, 0.1, 0.2)
    torch.testing.assert_close(ops.encode(prior, decoded, 0.1, 0.2), deltas, atol=1e-6, rtol=1e-6)


def test_box_without_area_encodes_to_finite_offsets():
    prior = torch.tensor([[0.0, 0.0, 20.0, 20.0]])
    for target in ([5.0, 5.0, 5.0, 5.0], [5.0, 5.0, 5.0, 15.0], [9.0, 9.0, 5.0, 5.0]):
        assert ops.encode(prior, torch.tensor([target]), 0.1, 0.2).isfinite().all()


@pytest.mark.parametrize('value', [1e30, -1e30, math.inf, -math.inf, 1e4])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_absurd_offsets_decode_to_finite_boxes(value, dtype):
    prior = torch.tensor([[0.0, 0.0, 300.0, 300.0]])
    assert ops.decode(prior, torch.full((1, 4), value).to(dtype), 0.1, 0.2).isfinite().all()


def test_clip_to_image_cuts_at_the_borders_of_each_image():
    boxes = torch.tensor([[-5.0, -5.0, 50.0, 50.0], [10.0, 10.0, 500.0, 500.0]])
    expected = torch.tensor([[0.0, 0.0, 40.0, 30.0], [10.0, 10.0, 100.0, 200.0]])
    torch.testing.assert_close(
        ops.clip_to_image(boxes, torch.tensor([30.0, 200.0]), torch.tensor([40.0, 100.0])), expected
    )
