"""What MMDetection checks of ``SSDHead``, of ``MultiBoxHead``: no error and no loss on empty images, a loss on others.

Both heads pass, with one difference: ``SSDHead`` gives a list with a loss for each image, ``MultiBoxHead`` the sum over
the batch. Its matcher and loss are its own parts, so that it needs no ``train_cfg``.
"""

import math

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.structures import InstanceData

from tests.support import config

SIDE = 300
STRIDES = (8, 16, 32, 64, 100, 300)
RATIOS = ([2], [2, 3], [2, 3], [2, 3], [2], [2])
THEIRS = dict(
    type='SSDHead',
    num_classes=4,
    in_channels=(1,) * 6,
    stacked_convs=1,
    feat_channels=1,
    use_depthwise=True,
    anchor_generator=dict(
        type='SSDAnchorGenerator',
        scale_major=False,
        input_size=SIDE,
        basesize_ratio_range=(0.15, 0.9),
        strides=STRIDES,
        ratios=RATIOS,
    ),
    train_cfg=Config(
        dict(
            assigner=dict(
                type='MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.0,
                ignore_iof_thr=-1,
                gt_max_assign_all=False,
            ),
            sampler=dict(type='PseudoSampler'),
            smoothl1_beta=1.0,
            allowed_border=-1,
            pos_weight=-1,
            neg_pos_ratio=3,
            debug=False,
        )
    ),
)
OURS = dict(
    type='MultiBoxHead',
    num_classes=4,
    in_channels=(1,) * 6,
    predictor='separable',
    prior_generator=dict(
        type='SSDPriorGenerator',
        input_size=SIDE,
        strides=STRIDES,
        aspect_ratios=RATIOS,
        scale_range=(0.15, 0.9),
        first_scale=0.07,
    ),
)
MIXED = dict(OURS, prior_generator=THEIRS['anchor_generator'], bbox_coder=dict(type='DeltaXYWHBBoxCoder'))


def sum_of(losses):
    """The number that training adds: of a loss for each image, or of one for the batch."""
    return sum(loss.sum().item() for loss in losses) if isinstance(losses, list) else losses.item()


@pytest.mark.parametrize('cfg', [THEIRS, OURS, MIXED])
def test_empty_ground_truth_has_no_loss_and_an_object_has_both(cfg):
    head = MODELS.build(cfg)
    feats = [torch.rand(1, 1, *[math.ceil(SIDE / stride) for stride in pair]) for pair in head.prior_generator.strides]
    cls_scores, bbox_preds = head.forward(feats)
    metas = [dict(img_shape=(SIDE, SIDE, 3), pad_shape=(SIDE, SIDE, 3), scale_factor=1)]

    def losses(boxes, labels):
        instances = InstanceData(bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.tensor(labels).long())
        found = head.loss_by_feat(cls_scores, bbox_preds, [instances], metas)
        return [sum_of(found[name]) for name in ('loss_cls', 'loss_bbox')]

    assert losses([], []) == [0, 0]
    assert min(losses([[23.6667, 23.8757, 238.6326, 151.8874]], [2])) > 0


@pytest.mark.parametrize('ignored', ['match', 'exclude', 'background'])
@pytest.mark.parametrize('use_box_type', [False, True])
def test_demo_inputs_have_a_loss_and_detections(ignored, use_box_type):
    """``demo_mm_inputs`` gives ignored objects without a class, as MMDetection's documentation has them."""
    cfg = config('ssd300_voc.py').model
    cfg.bbox_head.matcher = dict(type='SSDMatcher', ignored=ignored)
    head = MODELS.build(cfg.bbox_head)
    samples = demo_mm_inputs(2, (3, SIDE, SIDE), num_items=[3, 0], use_box_type=use_box_type)['data_samples']
    feats = [
        torch.rand(2, channels, *size)
        for channels, size in zip((512, 1024, 512, 256, 256, 256), head.prior_generator.featmap_sizes)
    ]
    losses, detections = head.loss_and_predict(feats, samples)
    assert losses['loss_cls'] > 0 and losses['loss_bbox'] > 0
    torch.testing.assert_close(losses, head.loss(feats, samples))
    assert len(detections) == len(head.predict(feats, samples)) == 2
