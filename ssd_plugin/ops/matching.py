"""Matching of priors to ground truth (SSD paper, section 2.2, "Matching strategy"), for a whole batch in one call.

Ground truth is padded to the largest number of objects in an image. The IoUs are never all in memory: they are computed
and used in blocks of images and objects.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .boxes import box_area, pairwise_intersection, pairwise_iou
from .targets import BACKGROUND

# IoUs held at a time. On a CPU a block and its intermediates stay in the cache; on a GPU larger blocks keep it busy (64
# MiB each in float32).
BLOCK_ON_CPU = 2**19
BLOCK_ON_GPU = 2**24
# Objects of an image compared at a time; their ranks are held in 8 bits.
MOST_OBJECTS = 255
# Which of several objects takes a prior that is the best one of all of them.
CONTESTED = ('highest', 'last', 'next_best')


def match_priors(
    priors: Tensor,
    boxes: Tensor,
    valid: Tensor,
    iou_threshold: float = 0.5,
    contested: str = 'highest',
    inclusive: bool = True,
    lengths: Sequence[int] | None = None,
) -> Tensor:
    """Match each object to its best prior, then every other prior to its best object if the IoU reaches a threshold.

    First, every object takes the prior of highest IoU if that IoU is above 0; ties go to the lower index. If several
    objects compete for a prior, ``contested`` decides. Then every other prior takes the object it overlaps most if that
    IoU reaches ``iou_threshold``. Objects that overlap no prior stay unmatched: boxes without area, outside the image,
    or with coordinates that are not finite.

    Args:
        priors: ``(P, 4)``, xyxy in pixels.
        boxes: ``(B, G, 4)`` ground truth, xyxy in pixels, padded.
        valid: ``(B, G)`` bool, false where padded.
        iou_threshold: IoU from which a prior is positive.
        contested: ``'highest'``: of the objects that compete for a prior, the one with the highest IoU takes it, and
            ties go to the lower index; ``'last'``: the last one does; ``'next_best'``: as ``'highest'``, but the others
            take their next best priors, as in the bipartite step of the original release, at the cost of G passes over
            the IoUs.
        inclusive: Whether an IoU equal to the threshold reaches it.
        lengths: Objects per image before the padding, if the host knows them: padding then costs nothing, so one image
            with many objects does not slow the others down.

    Returns:
        ``(B, P)`` int64: index of the object, or :data:`~ssd_plugin.ops.targets.BACKGROUND`.

    Raises:
        ValueError: ``contested`` is unknown.
    """
    if contested not in CONTESTED:
        raise ValueError(f'contested must be one of {CONTESTED}, got {contested!r}')
    valid = valid & boxes.isfinite().all(dim=-1)
    boxes = torch.where(valid.unsqueeze(-1), boxes, 0.0)
    batch, num_objects = boxes.shape[:2]
    lengths = [num_objects] * batch if lengths is None else lengths
    limit = _boxes_at_a_time(priors)
    matches = [
        _match_images(
            priors,
            boxes[images, :most],
            iou_threshold,
            contested,
            inclusive,
            step=max(limit // (images.stop - images.start), 1),
        )
        for images, most in _blocks(lengths, limit)
    ]
    return torch.cat(matches)


def _blocks(lengths: Sequence[int], limit: int) -> Iterator[tuple[slice, int]]:
    """Yield slices of images with at most ``limit`` padded boxes (or one image), and the most boxes of one of them."""
    start, most = 0, 0
    for image, length in enumerate(lengths):
        if image > start and (image + 1 - start) * max(most, length) > limit:
            yield slice(start, image), most
            start, most = image, 0
        most = max(most, length)
    yield slice(start, len(lengths)), most


def _match_images(
    priors: Tensor, boxes: Tensor, iou_threshold: float, contested: str, inclusive: bool, step: int
) -> Tensor:
    """Match as :func:`match_priors`, ``step`` objects at a time; boxes ``(B, G, 4)`` are zero where padded."""
    batch, num_objects = boxes.shape[:2]
    if num_objects == 0:
        return torch.full((batch, len(priors)), BACKGROUND, device=boxes.device)
    step = min(step, MOST_OBJECTS)
    best_priors, best_objects = [], []
    for first in range(0, num_objects, step):
        iou = pairwise_iou(boxes[:, first : first + step], priors)  # (B, step, P)
        best_priors.append(_best_prior(iou))
        best_objects.append(_best_object(iou))
    best_iou, best_object = best_objects[0]
    for block, (value, index) in enumerate(best_objects[1:], start=1):
        # Ties go to the lower index.
        best_object = torch.where(value > best_iou, index + block * step, best_object)
        best_iou = torch.maximum(value, best_iou)
    below = best_iou < iou_threshold if inclusive else best_iou <= iou_threshold
    matches = best_object.masked_fill_(below, BACKGROUND)
    if contested == 'next_best':
        owner = _unique_owners(pairwise_iou(boxes, priors))
        return torch.where(owner < num_objects, owner, matches)
    value, prior = (torch.cat(parts, dim=1) for parts in zip(*best_priors))  # (B, G)
    owner = _owners(value, prior, last=contested == 'last')
    # Objects that compete for a prior write the same owner, so the scatter is deterministic; those without overlap
    # change nothing.
    return matches.scatter_(1, prior, torch.where(owner >= 0, owner, matches.gather(1, prior)))


# On a CPU, torch.max with indices is several times slower than amax. Both functions below find the maximum with amax
# and search for its index in a small part of the IoUs.


def _best_prior(iou: Tensor, chunk: int = 64) -> tuple[Tensor, Tensor]:
    """Return ``iou.max(dim=2)`` of ``(B, G, P)``; ties go to the lower index.

    Finds the best chunk of priors, then the prior in it.
    """
    num_chunks = iou.shape[2] // chunk
    if iou.shape[2] % chunk:
        value, index = iou[..., num_chunks * chunk :].max(dim=2)
    else:
        value, index = iou.new_full(iou.shape[:2], -1.0), torch.zeros((), dtype=torch.long, device=iou.device)
    if num_chunks == 0:
        return value, index
    chunks = iou[..., : num_chunks * chunk].unflatten(2, (num_chunks, chunk))
    best, number = chunks.amax(dim=3).max(dim=2)  # (B, G)
    inside = chunks.gather(2, number[..., None, None].expand(-1, -1, 1, chunk)).squeeze(2).argmax(dim=2)
    return torch.maximum(best, value), torch.where(value > best, num_chunks * chunk + index, number * chunk + inside)


def _best_object(iou: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``iou.max(dim=1)`` of ``(B, G, P)`` for G up to :data:`MOST_OBJECTS`; ties go to the lower index.

    Objects are ranked in descending order, so that the highest rank among those that reach the maximum is the lowest
    index.
    """
    num_objects = iou.shape[1]
    value = iou.amax(dim=1)
    count = torch.arange(num_objects, 0, -1, dtype=torch.uint8, device=iou.device).unsqueeze(1)
    best = ((iou == value.unsqueeze(1)).view(torch.uint8) * count).amax(dim=1)
    return value, num_objects - best.long()


def _owners(value: Tensor, prior: Tensor, last: bool) -> Tensor:
    """Return the object that takes each object's best prior.

    Args:
        value: ``(B, G)`` highest IoU of each object.
        prior: ``(B, G)`` the prior of that IoU.
        last: Take the last of the objects with the same best prior, instead of the one with the highest IoU, of which
            ties go to the lower index.

    Returns:
        ``(B, G)`` index of the object, -1 where the best IoU is 0.
    """
    rivals = prior.unsqueeze(2) == prior.unsqueeze(1)  # (B, G, G)
    overlaps = torch.where(rivals, value.unsqueeze(1), 0.0)
    if last:
        number = torch.arange(value.shape[1], device=value.device)
        return torch.where(overlaps > 0, number, -1).amax(dim=2)
    highest, owner = overlaps.max(dim=2)
    return torch.where(highest > 0, owner, -1)


def _unique_owners(iou: Tensor) -> Tensor:
    """Assign each object a different prior by taking the remaining pair of highest IoU, G times.

    Args:
        iou: ``(B, G, P)``.

    Returns:
        ``(B, P)`` index of each prior's object, G without one.
    """
    batch, num_objects, num_priors = iou.shape
    left = iou.clone()
    owner = torch.full((batch, num_priors + 1), num_objects, device=iou.device)
    for _ in range(num_objects):
        value, pair = left.flatten(1).max(dim=1, keepdim=True)  # (B, 1)
        index = pair // num_priors
        # Pairs without overlap write to an extra column behind the last prior.
        prior = torch.where(value > 0, pair % num_priors, num_priors)
        owner.scatter_(1, prior, index)
        left.scatter_(1, index.unsqueeze(-1).expand(-1, -1, num_priors), 0.0)
        left.scatter_(2, prior.clamp(max=num_priors - 1).unsqueeze(1).expand(-1, num_objects, -1), 0.0)
    return owner[:, :-1]


def priors_in_regions(priors: Tensor, regions: Tensor, valid: Tensor, iof_threshold: float = 0.5) -> Tensor:
    """Select the priors inside ignored regions, such as crowds and objects with an ignore flag.

    Args:
        priors: ``(P, 4)``, xyxy in pixels.
        regions: ``(B, R, 4)``, xyxy in pixels, padded.
        valid: ``(B, R)`` bool, false where padded.
        iof_threshold: Fraction of the prior's own area inside one region from which the prior is selected.

    Returns:
        ``(B, P)`` bool.
    """
    regions = torch.where(valid.unsqueeze(-1), regions, 0.0)
    least = iof_threshold * box_area(priors).clamp(min=torch.finfo(priors.dtype).tiny)
    inside = []
    for images, most in _blocks([regions.shape[1]] * len(regions), _boxes_at_a_time(priors)):
        shared = pairwise_intersection(regions[images, :most], priors)  # (images, R, P)
        inside.append((shared >= least).any(dim=1))
    return torch.cat(inside)


def _boxes_at_a_time(priors: Tensor) -> int:
    limit = BLOCK_ON_CPU if priors.device.type == 'cpu' else BLOCK_ON_GPU
    return max(limit // len(priors), 1)
