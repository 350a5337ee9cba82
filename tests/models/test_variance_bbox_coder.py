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


@pytest.mark.parametrize('max_shape', [None, (100, 120)])
def test_boxes_of_each_class_are_decoded_as_by_mmdetections_coder(coder, max_shape):
    theirs = TASK_UTILS.build(dict(type='DeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]))
    priors, deltas = random_boxes(50), torch.randn(50, 3 * 4)
    found = coder.decode(priors, deltas, max_shape)
    torch.testing.assert_close(found, theirs.decode(priors, deltas, max_shape), rtol=1e-4, atol=1e-3)
    # The second class by itself.
    assert torch.equal(found[:, 4:8], coder.decode(priors, deltas[:, 4:8], max_shape))


def test_boxes_of_each_class_are_clipped_to_their_image(coder):
    boxes = coder.decode(torch.tensor([[0.0, 0.0, 500.0, 500.0]]), torch.zeros(2, 1, 8), [(100, 200), (300, 50)])
    assert boxes.tolist() == [[[0, 0, 200, 100] * 2], [[0, 0, 50, 300] * 2]]


def test_without_priors_there_are_no_boxes_of_any_class(coder):
    assert coder.decode(torch.zeros(0, 4), torch.zeros(0, 12)).shape == (0, 12)


def test_box_type_is_that_of_mmdetection_when_asked(coder):
    typed = TASK_UTILS.build(dict(type='VarianceBBoxCoder', use_box_type=True))
    priors, deltas = random_boxes(5), torch.randn(5, 4)
    found = typed.decode(HorizontalBoxes(priors), deltas)
    assert isinstance(found, HorizontalBoxes)
    assert torch.equal(found.tensor, coder.decode(priors, deltas))


@pytest.mark.parametrize('columns, message', [(8, 'use_box_type'), (6, r'\(5, 6\)')])
def test_offsets_that_are_no_box_each_are_refused(columns, message):
    typed = TASK_UTILS.build(dict(type='VarianceBBoxCoder', use_box_type=True))
    with pytest.raises(ValueError, match=message):
        typed.decode(random_boxes(5), torch.zeros(5, columns))
