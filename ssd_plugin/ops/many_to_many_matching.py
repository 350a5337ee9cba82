"""Many-to-many matching: every pair of prior and object that overlap enough counts, so that a prior may serve several objects, and an
object several priors."""

from typing import NamedTuple

import torch
from torch import Tensor

from .boxes import pairwise_iou

# Room for pairs, of which a prior has 0.01 in the mean.
PER_PRIOR = 2


class Pairs(NamedTuple):
    """Pairs of prior and object in a batch; all of shape ``(K,)``, K fixed, the pairs first."""

    image: Tensor
    object: Tensor
    prior: Tensor
    valid: Tensor  # bool: false behind the last pair


def match_pairs(
    priors: Tensor, boxes: Tensor, valid: Tensor, iou_threshold: float, capacity: int | None = None
) -> Pairs:
    """Pairs whose IoU is above a threshold, by image, object and prior.

    Their number is not read back from the device: there is room for ``capacity`` of them, and those that find none are left out.

    Args:
        priors: ``(P, 4)``, corner form.
        boxes: ``(B, G, 4)`` objects, padded.
        valid: ``(B, G)`` bool, false where padded.
        iou_threshold: IoU that a pair must exceed.
        capacity: K; by default two for each prior of the batch, or one where no image has more than one object.

    Returns:
        :class:`Pairs`.
    """
    matched = (pairwise_iou(boxes, priors) > iou_threshold) & valid.unsqueeze(-1)  # (B, G, P)
    place = positions(matched.flatten(), capacity or min(boxes.shape[1], PER_PRIOR) * len(boxes) * len(priors))
    found = place >= 0
    place = place.clamp(min=0)
    count = len(priors)
    owner = place // count
    return Pairs(owner // boxes.shape[1], owner % boxes.shape[1], place % count, found)


def positions(mask: Tensor, capacity: int) -> Tensor:
    """Indices of the set elements of ``mask`` ``(N,)`` in their order, ``(capacity,)``, and -1 behind the last: ``nonzero`` of a size
    that does not depend on the values."""
    slot = mask.cumsum(dim=0) - 1
    # What is not set, and what finds no room, goes into one more slot at the end.
    slot = torch.where(mask & (slot < capacity), slot, capacity)
    found = slot.new_full((capacity + 1,), -1)
    return found.scatter_(0, slot, torch.arange(len(mask), device=mask.device))[:capacity]
