"""From scores to detections: SSD paper, section 3.1, "Inference time" and the settings of the original release.

Threshold, best of each class, non-maximum suppression per class, best of the image; for all images and classes at once.
"""
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor

from .levels import at_least_float32, flatten_levels

# Boxes suppressed at a time. torchvision's nms compares all pairs, also those of other classes; on a GPU that is cheaper than many
# calls.
NMS_ON_CPU = 128
NMS_ON_GPU = 2**14
# Candidates per detection wanted: suppression takes some.
HEADROOM = 2
# Share of priors up to which they are taken one by one.
FEW = 1 / 8


class Candidates(NamedTuple):
    """Pairs of prior and class that passed the threshold, each field ``(N,)``; by image, score (highest first), class, prior."""
    image: Tensor
    score: Tensor
    label: Tensor
    prior: Tensor

    def take(self, index: Tensor) -> 'Candidates':
        """Those that an index or a mask names."""
        return Candidates(*(field[index] for field in self))

    def sorted(self) -> 'Candidates':
        """In order, from any."""
        pair = self.label * (self.prior.max() + 1 if len(self.prior) else 1) + self.prior
        # Stable sorts, from the last key to the first.
        order = pair.sort().indices
        order = order[self.score[order].sort(descending=True, stable=True).indices]
        return self.take(order[self.image[order].sort(stable=True).indices])


class Detections(NamedTuple):
    """Detections of one image, highest score first; of equals the lower class, then the lower prior."""
    boxes: Tensor  # (D, 4)
    scores: Tensor  # (D,)
    labels: Tensor  # (D,)


def detect(cls_maps: Sequence[Tensor],
           class_order: Sequence[int],
           num_classes: int,
           boxes_of: Callable[[Candidates], tuple[Tensor, Tensor | None]],
           score_threshold: float,
           top_k: int,
           iou_threshold: float | None,
           max_per_image: int) -> list[Detections]:
    """Detections of a batch.

    Of a trained network nearly all priors are background. They are left out by a comparison of scores before the softmax, which is
    then of the others only. Where too many are left, as of an untrained network, only the best candidates of each image are looked
    at: suppression goes from the highest score down, so what comes after the last detection wanted cannot change it.

    Args:
        cls_maps: per level, class scores before the softmax ``(B, A * K, H, W)``, A the priors of a cell.
        class_order: of the K outputs of a prior those that are classes, in the order of their labels, then the others; the last
            is the background.
        num_classes: number of classes C.
        boxes_of: gives, for N candidates, their boxes ``(N, 4)`` in corner form, and a mask ``(N,)`` of those to use, ``None`` for
            all.
        score_threshold: lowest score kept.
        top_k: number of priors kept per image and class before suppression; below 0 for all.
        iou_threshold: of two boxes of a class that overlap by more, the lower score goes; ``None`` keeps all.
        max_per_image: number of detections kept in an image; below 0 for all.

    Returns:
        B :class:`Detections`.
    """
    num_outputs = len(class_order)
    classes = list(class_order[:num_classes])
    if classes == list(range(classes[0], classes[0] + num_classes)):
        classes = slice(classes[0], classes[0] + num_classes)  # no copy
    likely = likely_priors(cls_maps, num_outputs, class_order[-1], score_threshold)
    if likely is None:
        scores = at_least_float32(flatten_levels(cls_maps, num_outputs)).softmax(dim=-1)[..., classes]
        select = partial(select_candidates, scores, score_threshold)
    else:
        image, prior, logits = likely
        scores = logits.softmax(dim=-1)[:, classes]
        place, label = (scores >= score_threshold).nonzero(as_tuple=True)
        found = Candidates(image[place], scores[place, label], label, prior[place]).sorted()
        select = partial(best_candidates, found)
    num_pairs = num_classes * sum(m[0].numel() // num_outputs for m in cls_maps)
    return detect_best_first(select, len(cls_maps[0]), num_pairs, boxes_of, scores.device, top_k, iou_threshold, max_per_image)


def likely_priors(cls_maps: Sequence[Tensor], num_outputs: int, background: int,
                  score_threshold: float) -> tuple[Tensor, Tensor, Tensor] | None:
    """The priors that can have a class with the score.

    A class of confidence t leaves at most 1 - t to the background, so its score before the softmax is higher than the background's
    by log(t / (1 - t)) at least.

    Args:
        cls_maps: per level, scores before the softmax ``(B, A * K, H, W)``.
        num_outputs: K.
        background: which of the K outputs is the background.
        score_threshold: t.

    Returns:
        Image ``(N,)``, prior ``(N,)`` and scores before the softmax ``(N, K)``; ``None`` if they are more than :data:`FEW` of all.
    """
    if score_threshold <= 0:
        return None
    # Less than that, as sums are rounded.
    least = math.log(score_threshold / max(1 - score_threshold, 1e-6)) - 1e-3
    others = slice(1, None) if background == 0 else slice(0, background)
    views, masks = [], []
    for m in cls_maps:
        batch, channels, height, width = m.shape
        priors, cells = channels // num_outputs, height * width
        if m.is_contiguous():
            view = m.view(batch, priors, num_outputs, cells)
            masks.append((view[:, :, others].amax(dim=2) - view[:, :, background] >= least).transpose(1, 2))
            views.append(view.permute(0, 3, 1, 2))
        else:  # channels last
            views.append(m.permute(0, 2, 3, 1).reshape(batch, cells, priors, num_outputs))
            masks.append(views[-1][..., others].amax(dim=-1) - views[-1][..., background] >= least)
    if sum(mask.sum() for mask in masks) > FEW * sum(mask.numel() for mask in masks):
        return None
    found, start = [], 0
    for view, mask in zip(views, masks):  # (B, cells, A, K), (B, cells, A)
        image, cell, place = mask.nonzero(as_tuple=True)
        found.append((image, start + cell * view.shape[2] + place, at_least_float32(view[image, cell, place])))
        start += mask[0].numel()
    image, prior, logits = (torch.cat(parts) for parts in zip(*found))
    return image, prior, logits


def detect_best_first(select: Callable[[Tensor, int], tuple[Candidates, Tensor]], num_images: int, num_pairs: int,
                      boxes_of: Callable[[Candidates], tuple[Tensor, Tensor | None]], device: torch.device, top_k: int,
                      iou_threshold: float | None, max_per_image: int) -> list[Detections]:
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


def best_candidates(found: Candidates, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
    """The best ``limit`` candidates of each of the images, and whether these are all; for :func:`detect_best_first`."""
    counts = torch.bincount(found.image, minlength=int(images.max()) + 1)
    wanted = torch.zeros_like(counts, dtype=torch.bool).index_fill(0, images, True)
    return found.take((_rank(found.image, counts) < limit) & wanted[found.image]), counts[images] <= limit


def select_candidates(scores: Tensor, score_threshold: float, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
    """The best ``limit`` pairs of prior and class of each image (more where scores are equal) that reach the threshold.

    Args:
        scores: ``(B, P, C)`` confidences, without the background.
        score_threshold: lowest score kept.
        images: ``(n,)`` the images to look at.
        limit: number of pairs kept per image.

    Returns:
        The candidates, and whether these are all of an image ``(n,)`` bool.
    """
    num_classes = scores.shape[2]
    flat = (scores if len(images) == len(scores) else scores[images]).flatten(1)
    if limit < flat.shape[1]:
        values, index = _best_pairs(flat.unflatten(1, (-1, num_classes)), limit + 1)
        complete = values[:, limit] < score_threshold
        lowest = torch.where(complete, score_threshold, values[:, limit - 1])
        # Of pairs as good as the last one topk takes any.
        ambiguous = bool((~complete & (values[:, limit] == lowest)).any())
    else:
        lowest, ambiguous = flat.new_full((len(flat), ), score_threshold), True
        complete = torch.ones_like(lowest, dtype=torch.bool)
    if ambiguous:
        image, pair = (flat >= lowest.clamp(min=score_threshold).unsqueeze(1)).nonzero(as_tuple=True)
        score = flat[image, pair]
    else:
        image, place = (values[:, :limit] >= score_threshold).nonzero(as_tuple=True)
        pair, score = index[image, place], values[image, place]
    return Candidates(images[image], score, pair % num_classes, pair // num_classes).sorted(), complete


def _best_pairs(scores: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Values and places, both ``(B, number)``, of the highest of ``(B, P, C)`` scores, best first: they are among the priors of the
    highest best score."""
    _, num_priors, num_classes = scores.shape
    if number >= num_priors or num_classes == 1:
        return scores.flatten(1).topk(number, dim=1)
    prior = scores.amax(dim=2).topk(number, dim=1).indices
    rows = scores.gather(1, prior.unsqueeze(-1).expand(-1, -1, num_classes))
    values, place = rows.flatten(1).topk(number, dim=1)
    return values, prior.gather(1, place // num_classes) * num_classes + place % num_classes


def _rank(group: Tensor, counts: Tensor) -> Tensor:
    """Place of each element within its group, from 0; groups are in order and have ``counts`` elements."""
    return torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[group]


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
    group, order = (candidates.image * (candidates.label.max() + 1 if len(boxes) else 1) + candidates.label).sort(stable=True)
    _, group, counts = group.unique_consecutive(return_inverse=True, return_counts=True)
    kept = torch.ones_like(group, dtype=torch.bool) if top_k < 0 else _rank(group, counts) < top_k
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
