"""From scores to detections: SSD paper, section 3.1, "Inference time" and the settings of the original release.

Threshold, best of each class, non-maximum suppression per class, best of the image; for all images and classes at once.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor

from .candidates import Candidates, best_candidates, likely_priors, rank_in_group, select_candidates
from .levels import at_least_float32, flatten_levels

# Boxes suppressed at a time. torchvision's nms compares all pairs, also those of other classes; on a GPU that is cheaper than many
# calls.
NMS_ON_CPU = 128
NMS_ON_GPU = 2**14
# Candidates per detection wanted: suppression takes some.
HEADROOM = 2


class Detections(NamedTuple):
    """Detections of one image, highest score first; of equals the lower class, then the lower prior."""

    boxes: Tensor  # (D, 4)
    scores: Tensor  # (D,)
    labels: Tensor  # (D,)


def detect(
    cls_maps: Sequence[Tensor],
    class_order: Sequence[int],
    num_classes: int,
    boxes_of: Callable[[Candidates], tuple[Tensor, Tensor | None]],
    score_threshold: float,
    top_k: int,
    iou_threshold: float | None,
    max_per_image: int,
    use_sigmoid: bool = False,
) -> list[Detections]:
    """Detections of a batch.

    Of a trained network nearly all priors are background. They are left out by a comparison of scores before the softmax or sigmoid, which
    is then of the others only. Where too many are left, as of an untrained network, only the best candidates of each image are looked
    at: suppression goes from the highest score down, so what comes after the last detection wanted cannot change it.

    Args:
        cls_maps: per level, class scores before the softmax ``(B, A * K, H, W)``, A the priors of a cell.
        class_order: of the K outputs of a prior those that are classes, in the order of their labels, then the others; the last
            is the background, unless ``use_sigmoid``.
        num_classes: number of classes C.
        boxes_of: gives, for N candidates, their boxes ``(N, 4)`` in corner form, and a mask ``(N,)`` of those to use, ``None`` for
            all.
        score_threshold: lowest score kept.
        top_k: number of priors kept per image and class before suppression; below 0 for all.
        iou_threshold: of two boxes of a class that overlap by more, the lower score goes; ``None`` keeps all.
        max_per_image: number of detections kept in an image; below 0 for all.
        use_sigmoid: the confidences are the sigmoids of the scores, and the background has no output.

    Returns:
        B :class:`Detections`.
    """
    num_outputs = len(class_order)
    classes = list(class_order[:num_classes])
    if classes == list(range(classes[0], classes[0] + num_classes)):
        classes = slice(classes[0], classes[0] + num_classes)  # no copy
    likely = likely_priors(cls_maps, num_outputs, None if use_sigmoid else class_order[-1], score_threshold)
    confidences = torch.sigmoid if use_sigmoid else partial(torch.softmax, dim=-1)
    if likely is None:
        scores = confidences(at_least_float32(flatten_levels(cls_maps, num_outputs)))[..., classes]
        select = partial(select_candidates, scores, score_threshold)
    else:
        image, prior, logits = likely
        scores = confidences(logits)[:, classes]
        place, label = (scores >= score_threshold).nonzero(as_tuple=True)
        found = Candidates(image[place], scores[place, label], label, prior[place]).sorted()
        select = partial(best_candidates, found)
    num_pairs = num_classes * sum(m[0].numel() // num_outputs for m in cls_maps)
    return detect_best_first(
        select, len(cls_maps[0]), num_pairs, boxes_of, scores.device, top_k, iou_threshold, max_per_image
    )


def detect_best_first(
    select: Callable[[Tensor, int], tuple[Candidates, Tensor]],
    num_images: int,
    num_pairs: int,
    boxes_of: Callable[[Candidates], tuple[Tensor, Tensor | None]],
    device: torch.device,
    top_k: int,
    iou_threshold: float | None,
    max_per_image: int,
) -> list[Detections]:
    """Suppress the best candidates first; take more for the images that keep too few of them.

    Args:
        select: gives the best candidates of the images ``(n,)``, so many at least, and whether these are all, ``(n,)`` bool.
        num_images: B.
        num_pairs: of priors and classes in an image.
        boxes_of: as for :func:`detect`.
        device: of the candidates.
        top_k: as for :func:`detect`.
        iou_threshold: as for :func:`detect`.
        max_per_image: as for :func:`detect`.
    """
    results: list[Detections | None] = [None] * num_images
    images = torch.arange(num_images, device=device)
    limit = num_pairs if max_per_image < 0 else min(max(HEADROOM * max_per_image, 1), num_pairs)
    most = num_pairs if max_per_image < 0 else max_per_image
    while True:
        found, complete = select(images, limit)
        boxes, usable = boxes_of(found)
        if usable is not None:
            boxes, found = boxes[usable], found.take(usable)
        keep = suppress(boxes, found, iou_threshold, top_k)
        boxes, found = boxes[keep], found.take(keep)
        counts = torch.bincount(found.image, minlength=num_images)
        enough = complete | (counts[images] >= most)
        host = counts.tolist()
        starts = [0, *accumulate(host)]
        for image, done in zip(images.tolist(), enough.tolist()):
            if done:
                part = slice(starts[image], starts[image] + min(host[image], most))
                results[image] = Detections(boxes[part], found.score[part], found.label[part])
        if None not in results:
            return results
        images = images[~enough]
        limit = min(4 * limit, num_pairs)


def suppress(boxes: Tensor, candidates: Candidates, iou_threshold: float | None, top_k: int = -1) -> Tensor:
    """Non-maximum suppression within each class of each image.

    Args:
        boxes: ``(N, 4)`` of the candidates, corner form.
        candidates: in order.
        iou_threshold: of two boxes that overlap by more, the lower score goes; ``None`` keeps all.
        top_k: number of candidates of each class in an image that take part, the best; below 0 for all.

    Returns:
        ``(N,)`` bool, those kept.
    """
    group, order = (candidates.image * (candidates.label.max() + 1 if len(boxes) else 1) + candidates.label).sort(
        stable=True
    )
    _, group, counts = group.unique_consecutive(return_inverse=True, return_counts=True)
    kept = torch.ones_like(group, dtype=torch.bool) if top_k < 0 else rank_in_group(group, counts) < top_k
    if iou_threshold is not None:
        usable = kept.nonzero().flatten()
        kept = torch.zeros_like(kept)
        # Groups are kept apart by shifting their boxes, exact enough in double precision only.
        shifted = boxes[order].double()
        if len(boxes):
            shifted += (group * (shifted.max() - shifted.min() + 1)).unsqueeze(1)
        sizes = (counts if top_k < 0 else counts.clamp(max=top_k)).tolist()
        limit = NMS_ON_CPU if boxes.device.type == 'cpu' else NMS_ON_GPU
        for part in usable.split(_runs(sizes, limit)):
            # The place is the score: that is the order within a group, equals included.
            kept[part[torchvision.ops.nms(shifted[part], -part.double(), iou_threshold)]] = True
    return torch.zeros_like(kept).scatter(0, order, kept)


def _runs(sizes: Sequence[int], limit: int) -> list[int]:
    """Sums of runs of sizes, each at most ``limit`` or a single one."""
    runs = []
    for size in sizes:
        if runs and runs[-1] + size <= limit:
            runs[-1] += size
        else:
            runs.append(size)
    return runs
