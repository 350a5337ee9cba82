"""What MMDetection checks of ``DeltaXYWHBBoxCoder``, of ``VarianceBBoxCoder`` with variances of 1.

Differences:

- MMDetection limits the growth of a side to 1000/16; ``VarianceBBoxCoder`` to 1e8, which keeps boxes finite.
- ``add_ctr_clamp``, which limits the move of a center (YOLOF), does not exist.
- MMDetection encodes a box without area as minus infinity; ``VarianceBBoxCoder`` as a finite number.
- Shapes of another number of images than the batch has are a ``RuntimeError``, not an ``AssertionError``.
"""

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes

THEIRS = dict(type='DeltaXYWHBBoxCoder')
OURS = dict(type='VarianceBBoxCoder', center_variance=1.0, size_variance=1.0)
both = pytest.mark.parametrize('cfg', [THEIRS, OURS])
ROIS = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 5.0, 5.0]])
DELTAS = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 2.0, -1.0], [0.7, -1.9, -0.5, 0.3]])
DECODED = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.1409, 0.1409, 2.8591, 2.8591], [0, 0.3161, 4.1945, 0.6839], [5.0] * 4])


def build(cfg, **options):
    return TASK_UTILS.build({**cfg, **options})


@both
@pytest.mark.parametrize('max_shape', [(32, 32), (32, 32, 3), torch.Tensor((32, 32))])
def test_decoded_boxes_are_clipped_to_the_image(cfg, max_shape):
    torch.testing.assert_close(build(cfg).decode(ROIS, DELTAS, max_shape=max_shape), DECODED, rtol=0, atol=1e-4)


@both
def test_a_batch_is_decoded_as_its_images(cfg):
    rois, deltas = ROIS.repeat(2, 1, 1), DELTAS.repeat(2, 1, 1)
    for max_shape in ((32, 32), [(32, 32), (32, 32)]):
        found = build(cfg).decode(rois, deltas, max_shape=max_shape)
        torch.testing.assert_close(found, DECODED.repeat(2, 1, 1), rtol=0, atol=1e-4)
    with pytest.raises((AssertionError, RuntimeError)):
        build(cfg).decode(rois, deltas, max_shape=[(32, 32)] * 3)


@both
@pytest.mark.parametrize('columns', [4, 12])
def test_nothing_is_decoded_to_nothing(cfg, columns):
    assert build(cfg).decode(torch.zeros(0, 4), torch.zeros(0, columns), max_shape=(32, 32)).shape == (0, columns)


@both
def test_each_class_has_its_boxes(cfg):
    found = build(cfg).decode(ROIS, torch.cat([DELTAS, torch.zeros_like(DELTAS)], dim=1), max_shape=(32, 32))
    torch.testing.assert_close(found, torch.cat([DECODED, ROIS], dim=1), rtol=0, atol=1e-4)


@both
def test_encoding_and_decoding_are_inverse(cfg):
    priors, boxes = (torch.rand(100, 4) * 50 for _ in range(2))
    for part in (priors, boxes):
        part[:, 2:] += part[:, :2] + 5
    coder = build(cfg)
    deltas = coder.encode(priors, boxes)
    torch.testing.assert_close(coder.decode(priors, deltas), boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(deltas, build(THEIRS).encode(priors, boxes))


@both
def test_boxes_have_the_box_type_when_asked(cfg):
    coder = build(cfg, use_box_type=True)
    found = coder.decode(HorizontalBoxes(ROIS), DELTAS, max_shape=(32, 32))
    assert isinstance(found, HorizontalBoxes)
    torch.testing.assert_close(found.tensor, DECODED, rtol=0, atol=1e-4)
    assert isinstance(coder.encode(HorizontalBoxes(ROIS[:3]), HorizontalBoxes(DECODED[:3])), torch.Tensor)
    with pytest.raises((AssertionError, ValueError)):
        coder.decode(ROIS, DELTAS.repeat(1, 2))


@pytest.mark.parametrize('cfg, factor', [(THEIRS, 1000 / 16), (OURS, 1e6)])
def test_limit_of_the_growth_of_a_side(cfg, factor):
    """A difference: log(1e6) is within the limit of ours."""
    deltas = torch.tensor([[0.0, 0.0, 1e6, 1e6]]).log().nan_to_num(neginf=0.0)
    box = build(cfg).decode(ROIS[:1], deltas)[0]
    torch.testing.assert_close(box[2:] - box[:2], torch.full((2,), float(factor)), rtol=1e-4, atol=0)


@pytest.mark.parametrize('cfg, finite', [(THEIRS, False), (OURS, True)])
def test_offsets_of_a_box_without_area(cfg, finite):
    """A difference: it is what makes the loss of MMDetection's SSD infinite."""
    offsets = build(cfg).encode(ROIS[:1], torch.tensor([[0.5, 0.5, 0.5, 0.5]]))
    assert offsets.isfinite().all().item() is finite
