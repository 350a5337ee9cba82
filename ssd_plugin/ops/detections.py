"""Post-processing of predictions to detections (SSD paper, section 3.1, "Inference time").

The steps are those of the original release: score threshold, best candidates of each class, decoding, non-maximum
suppression per class, best detections of the image. All images and classes are processed at once.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor

from .boxes import clip_to_image
from .candidates import Candidates, CandidateSource, candidate_source, rank_in_group
from .predictions import Predictions

# Boxes per call of torchvision's nms, which compares all pairs, those of different classes included; on a GPU that
# costs less than many calls.
NMS_ON_CPU = 128
NMS_ON_GPU = 2**14
# Candidates taken per detection wanted, since suppression removes some.
HEADROOM = 2


class DetectionSettings(NamedTuple):
    """Thresholds and limits of detection.

    Attributes:
        score_threshold: Lowest score kept.
        top_k: Number of candidates of each class in an image that enter suppression, the best; below 0 for all.
        iou_threshold: IoU of two boxes of a class above which the lower-scoring one is suppressed; ``None`` keeps all.
        max_per_image: Number of detections kept in an image, the best; below 0 for all.
        min_box_size: Size in pixels that width and height of a box must exceed; below 0 for all boxes.
        clip: Whether boxes are clipped at the border of the image.
        best_class_only: Whether a prior gives a candidate for its highest output only, and none if that is the
            background, in place of one for each class whose score reaches the threshold.
    """

    score_threshold: float = 0.0
    top_k: int = -1
    iou_threshold: float | None = None
    max_per_image: int = -1
    min_box_size: float = -1
    clip: bool = True
    best_class_only: bool = False


class Detections(NamedTuple):
    """Detections of one image, highest score first; ties go to the lower class, then to the lower prior.

    Attributes:
        boxes: ``(D, 4)``, xyxy in pixels.
        scores: ``(D,)``.
        labels: ``(D,)``, 0..C-1.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def detect(predictions: Predictions, image_sizes: Tensor, settings: DetectionSettings) -> list[Detections]:
    """Return the detections of a batch.

    Suppression goes from the highest score down, so candidates behind the last detection wanted cannot change the
    result: only the best candidates of each image are examined first, and more for images that keep too few of them.

    Args:
        predictions: Raw outputs of the network.
        image_sizes: ``(B, 2)`` height and width of the images in pixels.
        settings: Thresholds and limits.

    Returns:
        B :class:`Detections`.
    """
    source = candidate_source(predictions, settings.score_threshold, settings.best_class_only)
    num_pairs = len(predictions.priors) * predictions.layout.num_classes
    return detect_from(source, predictions, image_sizes, settings, num_pairs)


def detect_from(
    source: CandidateSource,
    predictions: Predictions,
    image_sizes: Tensor,
    settings: DetectionSettings,
    num_pairs: int,
) -> list[Detections]:
    """Return the detections among the candidates of a source, taken in growing numbers until each image keeps enough.

    Args:
        source: Source of the best candidates.
        predictions: Raw outputs of the network, for the boxes.
        image_sizes: ``(B, 2)`` height and width of the images in pixels.
        settings: Thresholds and limits.
        num_pairs: Pairs of prior and class in an image.

    Returns:
        B :class:`Detections`.
    """
    deltas = predictions.deltas()
    num_images = len(image_sizes)
    most = num_pairs if settings.max_per_image < 0 else settings.max_per_image
    limit = num_pairs if settings.max_per_image < 0 else min(max(HEADROOM * most, 1), num_pairs)
    results: dict[int, Detections] = {}
    images = torch.arange(num_images, device=image_sizes.device)
    while len(results) < num_images:
        candidates, complete = source.best(images, limit)
        boxes, candidates = decode_candidates(candidates, predictions, deltas, image_sizes, settings)
        keep = suppress(boxes, candidates, settings.iou_threshold, settings.top_k)
        boxes, candidates = boxes[keep], candidates.take(keep)
        counts = torch.bincount(candidates.image, minlength=num_images)
        enough = complete | (counts[images] >= most)
        sizes = counts.tolist()
        starts = [0, *accumulate(sizes)]
        for image, done in zip(images.tolist(), enough.tolist()):
            if done:
                part = slice(starts[image], starts[image] + min(sizes[image], most))
                results[image] = Detections(boxes[part], candidates.score[part], candidates.label[part])
        images = images[~enough]
        limit = min(4 * limit, num_pairs)
    return [results[image] for image in range(num_images)]


def decode_candidates(
    candidates: Candidates, predictions: Predictions, deltas: Tensor, image_sizes: Tensor, settings: DetectionSettings
) -> tuple[Tensor, Candidates]:
    """Return the boxes of candidates, and the candidates without those whose box is too small.

    Args:
        candidates: N pairs of prior and class.
        predictions: Raw outputs of the network.
        deltas: ``(B, P, 4)`` offsets.
        image_sizes: ``(B, 2)`` height and width of the images in pixels.
        settings: ``clip`` and ``min_box_size``.

    Returns:
        Boxes ``(M, 4)``, xyxy in pixels, and their M candidates, M <= N.
    """
    rows = deltas[candidates.image, candidates.prior]
    boxes = predictions.coder.decode(predictions.priors[candidates.prior], rows)
    if settings.clip:
        height, width = image_sizes[candidates.image].unbind(dim=1)
        boxes = clip_to_image(boxes, height, width)
    if settings.min_box_size < 0:
        return boxes, candidates
    large = (boxes[:, 2:] - boxes[:, :2] > settings.min_box_size).all(dim=1)
    return boxes[large], candidates.take(large)


def suppress(boxes: Tensor, candidates: Candidates, iou_threshold: float | None, top_k: int = -1) -> Tensor:
    """Select boxes by non-maximum suppression within each class of each image.

    Args:
        boxes: ``(N, 4)`` of the candidates, xyxy.
        candidates: Sorted as by :meth:`Candidates.sorted`.
        iou_threshold: IoU above which the lower-scoring of two boxes is suppressed; ``None`` keeps all.
        top_k: Number of candidates of each class in an image that take part, the best; below 0 for all.

    Returns:
        ``(N,)`` bool, true for the boxes kept.
    """
    group, order = (candidates.image * (candidates.label.max() + 1 if len(boxes) else 1) + candidates.label).sort(
        stable=True
    )
    _, group, counts = group.unique_consecutive(return_inverse=True, return_counts=True)
    kept = torch.ones_like(group, dtype=torch.bool) if top_k < 0 else rank_in_group(group, counts) < top_k
    if iou_threshold is not None:
        usable = kept.nonzero().flatten()
        kept = torch.zeros_like(kept)
        # Groups are kept apart by shifting their boxes, which is exact enough in double precision only.
        shifted = boxes[order].double()
        if len(boxes):
            shifted += (group * (shifted.max() - shifted.min() + 1)).unsqueeze(1)
        sizes = (counts if top_k < 0 else counts.clamp(max=top_k)).tolist()
        limit = NMS_ON_CPU if boxes.device.type == 'cpu' else NMS_ON_GPU
        for part in usable.split(_runs(sizes, limit)):
            # The rank serves as the score, so that ties keep the order of the candidates.
            kept[part[torchvision.ops.nms(shifted[part], -part.double(), iou_threshold)]] = True
    return torch.zeros_like(kept).scatter(0, order, kept)


def _runs(sizes: Sequence[int], limit: int) -> list[int]:
    """Return the sums of runs of sizes, each run at most ``limit`` or a single size."""
    runs: list[int] = []
    for size in sizes:
        if runs and runs[-1] + size <= limit:
            runs[-1] += size
        else:
            runs.append(size)
    return runs
