"""Many-to-many matching, in which every pair of prior and object with enough overlap is a match.

A prior may serve several objects, and an object several priors.
"""

import math

import torch
from torch import Tensor

from .boxes import pairwise_iou
from .targets import PairMatches

# Capacity in pairs per prior of the batch. A prior has 0.01 pairs on average.
PAIRS_PER_PRIOR = 2.0


def match_pairs(
    priors: Tensor, boxes: Tensor, valid: Tensor, iou_threshold: float, pairs_per_prior: float = PAIRS_PER_PRIOR
) -> PairMatches:
    """Return the pairs whose IoU exceeds a threshold, sorted by image, object and prior.

    Their number is not read back from the device: the result has a fixed capacity, and pairs beyond it are dropped and
    counted.

    Args:
        priors: ``(P, 4)``, xyxy in pixels.
        boxes: ``(B, G, 4)`` objects, xyxy in pixels, padded.
        valid: ``(B, G)`` bool, false where padded.
        iou_threshold: IoU that a pair must exceed.
        pairs_per_prior: Capacity K as a multiple of the number of priors of the batch; never more than there can be.

    Returns:
        :class:`~ssd_plugin.ops.targets.PairMatches`.
    """
    matched = (pairwise_iou(boxes, priors) > iou_threshold) & valid.unsqueeze(-1)  # (B, G, P)
    capacity = math.ceil(min(boxes.shape[1], pairs_per_prior) * len(boxes) * len(priors))
    index = fixed_size_nonzero(matched.flatten(), capacity)
    found = index >= 0
    index = index.clamp(min=0)
    owner = index // len(priors)
    dropped = matched.sum() - found.sum()
    return PairMatches(owner // boxes.shape[1], owner % boxes.shape[1], index % len(priors), found, dropped=dropped)


def fixed_size_nonzero(mask: Tensor, capacity: int) -> Tensor:
    """Return the indices of the true elements of ``mask`` ``(N,)``, ascending, then -1 up to ``(capacity,)``.

    Unlike ``nonzero``, the size does not depend on the values, so nothing is read back from the device.
    """
    slot = mask.cumsum(dim=0) - 1
    # False elements, and true ones beyond the capacity, go to one extra slot at the end.
    slot = torch.where(mask & (slot < capacity), slot, capacity)
    found = slot.new_full((capacity + 1,), -1)
    return found.scatter_(0, slot, torch.arange(len(mask), device=mask.device))[:capacity]
