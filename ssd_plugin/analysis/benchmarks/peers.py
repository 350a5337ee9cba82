"""SSD300 by this package, by MMDetection and by torchvision: the same network with the same number of classes."""

from types import SimpleNamespace

import torch
import torchvision
from mmdet.registry import MODELS
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from ssd_plugin.configs import read_config

OURS, MMDET, TORCHVISION = 'ssd_plugin', 'MMDetection', 'torchvision'
SIZE = 300


@DefaultScope.overwrite_default_scope('mmdet')
def build_detector(config: str, num_classes: int | None = None) -> nn.Module:
    """A detector with random weights: of a config of this package, or of MMDetection's as ``mmdet::NAME``."""
    model = get_config(config).model if config.startswith('mmdet::') else read_config(config).model
    model.backbone.init_cfg = None
    if num_classes is not None:
        model.bbox_head.num_classes = num_classes
    detector = MODELS.build(model)
    if config.startswith('mmdet::'):
        # Its prediction reads an attribute that it does not set.
        detector.bbox_head.loss_cls = None
        if model.neck.l2_norm_scale is not None:
            # Its constructor leaves what was in memory.
            nn.init.constant_(detector.neck.l2_norm.weight, model.neck.l2_norm_scale)
    return detector


def build_peers(num_classes: int, device: torch.device) -> dict[str, nn.Module]:
    """SSD300 of all three."""
    detectors = {
        OURS: build_detector('ssd_plugin::ssd300_voc.py', num_classes),
        MMDET: build_detector('mmdet::ssd/ssd300_coco.py', num_classes),
        TORCHVISION: torchvision.models.detection.ssd300_vgg16(
            weights=None, weights_backbone=None, num_classes=num_classes + 1
        ),
    }
    return {name: detector.to(device) for name, detector in detectors.items()}


def torchvision_anchors(model: nn.Module, batch: int, device: torch.device) -> list[Tensor]:
    """Its priors, one tensor for each image, as its forward makes them."""
    features = [torch.empty(batch, 1, side, side, device=device) for side in (38, 19, 10, 5, 3, 1)]
    images = ImageList(torch.empty(batch, 3, SIZE, SIZE, device=device), [(SIZE, SIZE)] * batch)
    return model.anchor_generator(images, features)


def torchvision_loss(
    model: nn.Module, outputs: dict[str, Tensor], anchors: list[Tensor], targets: list[dict]
) -> dict[str, Tensor]:
    """Matching and loss as in the forward of ``torchvision.models.detection.ssd.SSD``."""
    matches = [model.proposal_matcher(box_iou(target['boxes'], boxes)) for boxes, target in zip(anchors, targets)]
    return model.compute_loss(targets, outputs, anchors, matches)


def torchvision_outputs(cls_maps: list[Tensor], box_maps: list[Tensor], num_outputs: int) -> dict[str, Tensor]:
    """What its head gives for the same values: flattened, background first."""
    flat = SimpleNamespace(
        **{
            name: torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, values) for m in maps], dim=1)
            for name, maps, values in (('logits', cls_maps, num_outputs), ('deltas', box_maps, 4))
        }
    )
    return dict(cls_logits=flat.logits.roll(1, dims=-1).contiguous(), bbox_regression=flat.deltas)
