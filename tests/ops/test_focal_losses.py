import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import MODELS

from ssd_plugin.ops.focal_losses import focal_loss, quality_focal_loss


def test_hand_computed_sums():
    # One positive of the first of two classes and one background; all confidences 1/2.
    scores, labels = torch.zeros(1, 2, 2), torch.tensor([[0, 2]])
    half = 0.25 * math.log(2)
    assert focal_loss(scores, labels, gamma=2, balance=0.25).item() == pytest.approx((0.25 + 3 * 0.75) * half)
    assert focal_loss(scores, labels, gamma=0, balance=-1).item() == pytest.approx(4 * math.log(2))
    # Quality 1 is as far from 1/2 as 0 is; 1/2 is met.
    assert quality_focal_loss(scores, labels, torch.ones(1, 2)).item() == pytest.approx(4 * half)
    assert quality_focal_loss(scores, labels, torch.full((1, 2), 0.5)).item() == pytest.approx(3 * half)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), gamma=st.sampled_from([0.0, 1.5, 2.0]))
def test_values_and_gradients_equal_mmdetections(seed, gamma):
    torch.manual_seed(seed)
    classes, labels = 3, torch.randint(-1, 4, (2, 16))
    scores, quality = torch.randn(2, 16, classes), torch.rand(2, 16)
    counted = labels.flatten() >= 0
    rows, flat = scores.reshape(-1, classes)[counted], labels.flatten()[counted]
    ours, theirs = scores.clone().requires_grad_(), rows.clone().requires_grad_()
    for found, expected in [
        (
            focal_loss(ours, labels, gamma),
            MODELS.build(dict(type='FocalLoss', gamma=gamma, alpha=0.25, reduction='sum'))(
                theirs, torch.nn.functional.one_hot(flat, classes + 1)[:, :classes]
            ),
        ),
        (
            quality_focal_loss(ours, labels, quality, gamma),
            MODELS.build(dict(type='QualityFocalLoss', beta=gamma, reduction='sum'))(
                theirs, (flat, quality.flatten()[counted])
            ),
        ),
    ]:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        ours.grad = theirs.grad = None
        found.backward(retain_graph=True)
        expected.backward(retain_graph=True)
        torch.testing.assert_close(ours.grad.reshape(-1, classes)[counted], theirs.grad, rtol=1e-4, atol=1e-5)
        assert not ours.grad.reshape(-1, classes)[~counted].any()


def test_an_easy_background_counts_for_little():
    labels = torch.full((1, 8), 2)
    hard, easy = (focal_loss(torch.full((1, 8, 2), score), labels) for score in (0.0, -4.0))
    assert 0 < easy < hard / 1e4
