"""Random network outputs and ground truth for SSD300."""

from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ssd_plugin.models.heads import MultiBoxHead
from ssd_plugin.ops.targets import GroundTruth

from .peers import SIZE

CELLS = (38, 19, 10, 5, 3, 1)
PRIORS = (4, 6, 6, 6, 4, 4)


def network_outputs(batch: int, num_classes: int, device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """Return the per-level logits, background last, and offsets of an untrained SSD300."""
    sizes = list(zip(PRIORS, CELLS))
    return (
        [0.1 * torch.randn(batch, a * (num_classes + 1), f, f, device=device) for a, f in sizes],
        [0.1 * torch.randn(batch, a * 4, f, f, device=device) for a, f in sizes],
    )


def trained_outputs(
    head: MultiBoxHead, batch: int, num_classes: int, objects: int, device: torch.device
) -> tuple[list[Tensor], list[Tensor]]:
    """Return per-level outputs that resemble those of a trained SSD300.

    The background has nearly all of the confidence nearly everywhere, with clutter whose scores reach 0.01. Around each
    object, all priors that overlap it are confident of its class and close to its box.

    Args:
        head: Head of this package's SSD300, which matches and encodes the objects.
        batch: Number of images.
        num_classes: Number of classes without the background.
        objects: Number of objects per image.
        device: Device of the outputs.

    Returns:
        Logits, background last, and offsets per level.
    """
    cls_maps, box_maps = ([10 * m for m in maps] for maps in network_outputs(batch, num_classes, device))
    priors = head.predictions(cls_maps, box_maps).priors
    scores = torch.randn(batch, len(priors), num_classes + 1, device=device)
    scores[..., -1] += 9
    deltas = torch.randn(batch, len(priors), 4, device=device)
    for image, instances in enumerate(ground_truth(batch, objects, num_classes, device)):
        matches = head.matcher(priors, GroundTruth(instances.bboxes[None], instances.labels[None])).object[0]
        found = (matches >= 0).nonzero().flatten()
        boxes = instances.bboxes[matches[found]]
        scores[image, found, instances.labels[matches[found]]] += 10 + 2 * torch.randn(len(found), device=device)
        deltas[image, found] = head.bbox_coder.encode(priors[found], boxes) + 0.3 * torch.randn(
            len(found), 4, device=device
        )
    sizes = [a * f * f for a, f in zip(PRIORS, CELLS)]
    maps = [
        [
            part.reshape(batch, f, f, -1).permute(0, 3, 1, 2).contiguous()
            for part, f in zip(flat.split(sizes, dim=1), CELLS)
        ]
        for flat in (scores, deltas)
    ]
    return maps[0], maps[1]


def ground_truth(batch: int, objects: int, num_classes: int, device: torch.device) -> list[InstanceData]:
    """Return random objects inside the images, with sides of 20 to 150 pixels, log-uniformly distributed."""
    found = []
    for _ in range(batch):
        sides = 20 * 7.5 ** torch.rand(objects, 2)
        corner = torch.rand(objects, 2) * (SIZE - sides)
        found.append(
            InstanceData(
                bboxes=torch.cat([corner, corner + sides], dim=1).to(device),
                labels=torch.randint(num_classes, (objects,)).to(device),
            )
        )
    return found


def metas(batch: int) -> list[dict[str, Any]]:
    """Return the metadata of images that have the input size of the network."""
    shape = (SIZE, SIZE)
    return [
        dict(img_shape=shape, ori_shape=shape, pad_shape=shape, batch_input_shape=shape, scale_factor=(1.0, 1.0))
        for _ in range(batch)
    ]


def samples(batch: int, objects: int, num_classes: int, device: torch.device) -> list[DetDataSample]:
    """Return the data samples, with ground truth, that MMDetection's detectors take beside the images of a batch."""
    found = []
    for meta, instances in zip(metas(batch), ground_truth(batch, objects, num_classes, device)):
        sample = DetDataSample(metainfo=meta)
        sample.gt_instances, sample.ignored_instances = instances, no_objects(device)
        found.append(sample)
    return found


def no_objects(device: torch.device) -> InstanceData:
    """Return instances without objects."""
    return InstanceData(bboxes=torch.zeros(0, 4, device=device), labels=torch.zeros(0, dtype=torch.long, device=device))
