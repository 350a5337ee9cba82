"""Matching: which prior answers for which ground truth (SSD paper, section 2.2, "Matching strategy").

The whole batch at once: ground truth is padded to the largest number of objects in an image, with a mask.
"""
import torch
from torch import Tensor

from .boxes import box_area, pairwise_intersection, pairwise_iou

BACKGROUND = -1
IGNORED = -2


def match_priors(priors: Tensor, boxes: Tensor, valid: Tensor, iou_threshold: float = 0.5, unique: bool = False) -> Tensor:
    """Each ground truth's best prior, then every prior whose best IoU reaches the threshold.

    First, every ground truth takes the prior of highest IoU (the first of equals), whatever that IoU is, if above 0. Of two that
    take the same prior the one with the higher IoU has it (of equals the first). Then every other prior takes the ground truth
    it overlaps most (the first of equals) if that IoU reaches ``iou_threshold``. Ground truth that overlaps no prior is not
    matched: boxes without area, outside the image, or with coordinates that are not finite.

    Args:
        priors: ``(P, 4)``, corner form in pixels.
        boxes: ``(B, G, 4)`` ground truth, corner form in pixels, padded.
        valid: ``(B, G)`` bool, false where padded.
        iou_threshold: IoU from which a prior is positive.
        unique: give a ground truth that loses its best prior to another its next best, as the bipartite step of the original
            release does. Costs G passes over the overlaps.

    Returns:
        ``(B, P)`` int64: index of the ground truth, or :data:`BACKGROUND`.
    """
    valid = valid & boxes.isfinite().all(dim=-1)
    boxes = torch.where(valid.unsqueeze(-1), boxes, 0.)
    num_objects = boxes.shape[1]
    if num_objects == 0:
        return torch.full((len(boxes), len(priors)), BACKGROUND, device=boxes.device)
    iou = pairwise_iou(boxes, priors)  # (B, G, P)
    best_iou, best_object = iou.max(dim=1)  # (B, P)
    matches = torch.where(best_iou >= iou_threshold, best_object, BACKGROUND)
    owner = _unique_owners(iou) if unique else _owners(iou)
    return torch.where(owner < num_objects, owner, matches)


def _owners(iou: Tensor) -> Tensor:
    """Which ground truth took each prior as its best: ``(B, G, P)`` to ``(B, P)``, G where none did."""
    batch, num_objects, num_priors = iou.shape
    value, prior = iou.max(dim=2)  # (B, G)
    highest = iou.new_zeros(batch, num_priors).scatter_reduce(1, prior, value, 'amax')
    wins = (value > 0) & (value == highest.gather(1, prior))
    index = torch.arange(num_objects, device=iou.device)
    owner = torch.full((batch, num_priors), num_objects, device=iou.device)
    return owner.scatter_reduce(1, prior, torch.where(wins, index, num_objects), 'amin')


def _unique_owners(iou: Tensor) -> Tensor:
    """As :func:`_owners`, one prior for each ground truth: the pair of highest IoU among those left, G times over."""
    batch, num_objects, num_priors = iou.shape
    left = iou.clone()
    owner = torch.full((batch, num_priors + 1), num_objects, device=iou.device)
    for _ in range(num_objects):
        value, pair = left.flatten(1).max(dim=1, keepdim=True)  # (B, 1)
        index = pair // num_priors
        # A pair without overlap writes to the column behind the last prior.
        prior = torch.where(value > 0, pair % num_priors, num_priors)
        owner.scatter_(1, prior, index)
        left.scatter_(1, index.unsqueeze(-1).expand(-1, -1, num_priors), 0.)
        left.scatter_(2, prior.clamp(max=num_priors - 1).unsqueeze(1).expand(-1, num_objects, -1), 0.)
    return owner[:, :-1]


def priors_in_regions(priors: Tensor, regions: Tensor, valid: Tensor, iof_threshold: float = 0.5) -> Tensor:
    """Priors that lie in regions where the annotation says nothing (crowds, objects marked to be ignored).

    Args:
        priors: ``(P, 4)``, corner form in pixels.
        regions: ``(B, R, 4)``, padded.
        valid: ``(B, R)`` bool, false where padded.
        iof_threshold: share of the prior's own area inside one region from which the prior is ignored.

    Returns:
        ``(B, P)`` bool.
    """
    if regions.shape[1] == 0:
        return torch.zeros(len(regions), len(priors), dtype=torch.bool, device=priors.device)
    shared = pairwise_intersection(torch.where(valid.unsqueeze(-1), regions, 0.), priors)  # (B, R, P)
    return (shared >= iof_threshold * box_area(priors).clamp(min=torch.finfo(shared.dtype).tiny)).any(dim=1)
