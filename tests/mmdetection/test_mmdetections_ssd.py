"""What README.md says of MMDetection's SSD: it cannot predict, and its loss is infinite on a box without area."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.hub import get_config

from tests.support import config


def build(cfg):
    cfg.backbone.init_cfg = None
    detector = MODELS.build(cfg)
    detector.init_weights()
    return detector


def box_loss(detector, flat):
    """The loss of an image with two objects, of which one has no area where ``flat``."""
    data = detector.data_preprocessor(demo_mm_inputs(1, (3, 300, 300), num_items=[2]), True)
    if flat:
        data['data_samples'][0].gt_instances.bboxes[0] = 100.0
    losses = detector(**data, mode='loss')['loss_bbox']
    return sum(losses) if isinstance(losses, list) else losses


@pytest.mark.slow
def test_mmdetections_ssd_has_an_infinite_loss_on_a_box_without_area_and_cannot_predict():
    theirs = build(get_config('mmdet::ssd/ssd300_coco.py').model)
    assert box_loss(theirs, flat=False).isfinite() and box_loss(theirs, flat=True).isinf()
    data = theirs.eval().data_preprocessor(demo_mm_inputs(1, (3, 300, 300)), False)
    with torch.no_grad(), pytest.raises(AttributeError, match="'SSDHead' object has no attribute 'loss_cls'"):
        theirs(**data, mode='predict')


@pytest.mark.slow
def test_our_ssd_has_a_finite_loss_on_a_box_without_area_and_predicts():
    detector = build(config('ssd300_coco.py').model)
    assert box_loss(detector, flat=True).isfinite()
    data = detector.eval().data_preprocessor(demo_mm_inputs(1, (3, 300, 300)), False)
    with torch.no_grad():
        assert len(detector(**data, mode='predict')[0].pred_instances) > 0
