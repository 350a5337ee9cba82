import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes


@pytest.fixture
def coder():
    return TASK_UTILS.build(dict(type='VarianceBBoxCoder'))


def random_boxes(*shape):
    boxes = torch.rand(*shape, 4) * 100
    boxes[..., 2:] += boxes[..., :2] + 20
    return boxes


def test_equals_mmdetections_coder_with_the_same_variances(coder):
    theirs = TASK_UTILS.build(dict(type='DeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]))
    priors, targets = random_boxes(50), random_boxes(50)
    torch.testing.assert_close(coder.encode(priors, targets), theirs.encode(priors, targets))
    deltas = torch.randn(50, 4)
    torch.testing.assert_close(coder.decode(priors, deltas), theirs.decode(priors, deltas), rtol=1e-4, atol=1e-3)
    shape = (100, 120)
    torch.testing.assert_close(
        coder.decode(priors, deltas, shape), theirs.decode(priors, deltas, shape), rtol=1e-4, atol=1e-3
    )


def test_takes_mmdetections_box_types(coder):
    priors, targets = random_boxes(5), random_boxes(5)
    torch.testing.assert_close(
        coder.encode(HorizontalBoxes(priors), HorizontalBoxes(targets)), coder.encode(priors, targets)
    )


def test_clips_each_image_of_a_batch_to_its_own_shape(coder):
    boxes = coder.decode(
        torch.tensor([[0.0, 0.0, 500.0, 500.0]]), torch.zeros(2, 1, 4), max_shape=[(100, 200), (300, 50)]
    )
    assert boxes.tolist() == [[[0, 0, 200, 100]], [[0, 0, 50, 300]]]


def test_does_not_clip_when_told_not_to():
    coder = TASK_UTILS.build(dict(type='VarianceBBoxCoder', clip_border=False))
    assert coder.decode(torch.tensor([[-9.0, 0.0, 500.0, 500.0]]), torch.zeros(1, 4), max_shape=(10, 10)).tolist() == [
        [-9, 0, 500, 500]
    ]
