"""SSD300 of this package, of MMDetection and of torchvision: the same network with the same number of classes."""

from typing import Any, TypeAlias

import torch
import torchvision
from mmdet.registry import MODELS
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from ssd_plugin.configs import read_config
from ssd_plugin.ops.levels import flatten_levels

OURS, MMDET, TORCHVISION = 'ssd_plugin', 'MMDetection', 'torchvision'
SIZE = 300
# The detectors of the three packages have no interface in common.
Detector: TypeAlias = Any


@DefaultScope.overwrite_default_scope('mmdet')
def build_detector(config: str, num_classes: int | None = None) -> Detector:
    """Return a detector with random weights.

    Args:
        config: Config of this package, or one of MMDetection's as ``mmdet::NAME``.
        num_classes: Number of classes, if not the config's.
    """
    model = get_config(config).model if config.startswith('mmdet::') else read_config(config).model
    model.backbone.init_cfg = None
    if num_classes is not None:
        model.bbox_head.num_classes = num_classes
    detector = MODELS.build(model)
    if config.startswith('mmdet::'):
        # MMDetection 3.3.0's SSD head reads this attribute during prediction, but does not set it.
        detector.bbox_head.loss_cls = None
        if model.neck.l2_norm_scale is not None:
            # MMDetection's constructor leaves these weights uninitialized.
            nn.init.constant_(detector.neck.l2_norm.weight, model.neck.l2_norm_scale)
    return detector


def build_peers(num_classes: int, device: torch.device) -> dict[str, Detector]:
    """Return SSD300 of all three packages by name, with random weights."""
    detectors = {
        OURS: build_detector('ssd_plugin::ssd300_voc.py', num_classes),
        MMDET: build_detector('mmdet::ssd/ssd300_coco.py', num_classes),
        TORCHVISION: torchvision.models.detection.ssd300_vgg16(
            weights=None, weights_backbone=None, num_classes=num_classes + 1
        ),
    }
    return {name: detector.to(device) for name, detector in detectors.items()}


def torchvision_anchors(model: Detector, batch: int, device: torch.device) -> list[Tensor]:
    """Return torchvision's priors, one tensor per image, as the forward pass of its detector computes them."""
    features = [torch.empty(batch, 1, side, side, device=device) for side in (38, 19, 10, 5, 3, 1)]
    images = ImageList(torch.empty(batch, 3, SIZE, SIZE, device=device), [(SIZE, SIZE)] * batch)
    return model.anchor_generator(images, features)


def torchvision_loss(
    model: Detector, outputs: dict[str, Tensor], anchors: list[Tensor], targets: list[dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Match and compute the losses as the forward pass of ``torchvision.models.detection.ssd.SSD`` does.

    Args:
        model: torchvision's detector.
        outputs: Outputs of its head, from :func:`torchvision_outputs`.
        anchors: Priors, from :func:`torchvision_anchors`.
        targets: Per image, ``boxes`` ``(N, 4)`` and ``labels`` ``(N,)``, background 0.
    """
    matches = [model.proposal_matcher(box_iou(target['boxes'], boxes)) for boxes, target in zip(anchors, targets)]
    return model.compute_loss(targets, outputs, anchors, matches)


def torchvision_outputs(cls_maps: list[Tensor], box_maps: list[Tensor], num_outputs: int) -> dict[str, Tensor]:
    """Return the outputs of torchvision's head for the same values, flattened and with the background first.

    Args:
        cls_maps: Per level, ``(B, A * num_outputs, H, W)`` logits, background last.
        box_maps: Per level, ``(B, A * 4, H, W)`` offsets.
        num_outputs: Number of classes with the background.
    """
    logits = flatten_levels(cls_maps, num_outputs)
    return dict(cls_logits=logits.roll(1, dims=-1).contiguous(), bbox_regression=flatten_levels(box_maps, 4))
