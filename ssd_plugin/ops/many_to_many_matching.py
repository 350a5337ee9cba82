"""Many-to-many matching, in which every pair of prior and object with enough overlap is a match.

A prior may serve several objects, and an object several priors.
"""

import torch
from torch import Tensor

from .boxes import pairwise_iou
from .targets import PairMatches

# Capacity in pairs per prior. A prior has 0.01 pairs on average.
PAIRS_PER_PRIOR = 2


def match_pairs(
    priors: Tensor, boxes: Tensor, valid: Tensor, iou_threshold: float, capacity: int | None = None
) -> PairMatches:
    """Return the pairs whose IoU exceeds a threshold, sorted by image, object and prior.

    Their number is not read back from the device: the result has a fixed capacity, and pairs beyond it are dropped.

    Args:
        priors: ``(P, 4)``, xyxy in pixels.
        boxes: ``(B, G, 4)`` objects, xyxy in pixels, padded.
        valid: ``(B, G)`` bool, false where padded.
        iou_threshold: IoU that a pair must exceed.
        capacity: K; by default two per prior of the batch, or one where no image has more than one object.

    Returns:
        :class:`~ssd_plugin.ops.targets.PairMatches`.
    """
    matched = (pairwise_iou(boxes, priors) > iou_threshold) & valid.unsqueeze(-1)  # (B, G, P)
    capacity = capacity or min(boxes.shape[1], PAIRS_PER_PRIOR) * len(boxes) * len(priors)
    index = fixed_size_nonzero(matched.flatten(), capacity)
    found = index >= 0
    index = index.clamp(min=0)
    owner = index // len(priors)
    return PairMatches(owner // boxes.shape[1], owner % boxes.shape[1], index % len(priors), found)


def fixed_size_nonzero(mask: Tensor, capacity: int) -> Tensor:
    """Return the indices of the true elements of ``mask`` ``(N,)``, ascending, then -1 up to ``(capacity,)``.

    Unlike ``nonzero``, the size does not depend on the values, so nothing is read back from the device.
    """
    slot = mask.cumsum(dim=0) - 1
    # False elements, and true ones beyond the capacity, go to one extra slot at the end.
    slot = torch.where(mask & (slot < capacity), slot, capacity)
    found = slot.new_full((capacity + 1,), -1)
    return found.scatter_(0, slot, torch.arange(len(mask), device=mask.device))[:capacity]
