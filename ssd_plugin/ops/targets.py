"""From ground truth to what each prior, or each pair of prior and object, is to predict.

Matching gives :class:`PriorMatches` (one object per prior) or :class:`PairMatches` (any pairs); together with the
encoded boxes they become :class:`PriorTargets` or :class:`PairTargets`, which a loss takes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Values of PriorMatches.object for a prior without an object.
BACKGROUND = -1
IGNORED = -2


class GroundTruth(NamedTuple):
    """Objects of a batch, padded to the largest number in an image; G is at least 1."""

    boxes: Tensor  # (B, G, 4), xyxy in pixels
    labels: Tensor  # (B, G) int64, 0..C-1, -1 where padded
    ignored: Tensor | None = None  # (B, G) bool, the ignore flags; None if no object has one
    lengths: Sequence[int] | None = None  # objects per image, where the host knows them

    @property
    def valid(self) -> Tensor:
        """``(B, G)`` bool, false where padded."""
        return self.labels >= 0


class PriorMatches(NamedTuple):
    """One object at most for each prior."""

    object: Tensor  # (B, P) int64, index of the object, BACKGROUND or IGNORED


class PairMatches(NamedTuple):
    """Pairs of prior and object of a batch; fields are ``(K,)`` with a fixed K, the pairs first, then padding."""

    image: Tensor
    object: Tensor
    prior: Tensor
    valid: Tensor  # bool, false for padding
    excluded: Tensor | None = None  # (B, P) bool, priors excluded from negative mining; None for none


class PriorTargets(NamedTuple):
    """What each prior is to predict."""

    labels: Tensor  # (B, P) int64, 0..C-1, C for background, -1 for priors that do not count
    deltas: Tensor  # (B, P, 4) offsets, read where the label is an object's

    def positive(self, num_classes: int) -> Tensor:
        """Return which priors have an object, ``(B, P)`` bool."""
        return (self.labels >= 0) & (self.labels < num_classes)


class PairTargets(NamedTuple):
    """What the prior of each pair is to predict."""

    pairs: PairMatches
    labels: Tensor  # (K,) int64, 0..C-1
    deltas: Tensor  # (K, 4) offsets


def prior_labels(matches: PriorMatches, labels: Tensor, num_classes: int) -> Tensor:
    """Return the label of each prior: its object's, C without one, -1 where the prior does not count.

    Args:
        matches: Result of the matching, for P priors.
        labels: ``(B, G)`` labels of the objects.
        num_classes: C.

    Returns:
        ``(B, P)`` int64.
    """
    table = F.pad(labels, (2, 0), value=-1)  # (B, 2 + G): IGNORED, BACKGROUND, then the objects
    table[:, BACKGROUND - IGNORED] = num_classes
    return table.gather(1, matches.object - IGNORED)


def matched_boxes(matches: PriorMatches, boxes: Tensor) -> Tensor:
    """Return the box of each prior's object, ``(B, P, 4)`` from ``(B, G, 4)``; any for priors without an object."""
    return boxes.gather(1, matches.object.clamp(min=0).unsqueeze(-1).expand(-1, -1, 4))


def exclude_ignored(matches: PriorMatches, in_ignored_region: Tensor) -> PriorMatches:
    """Return the matches in which background priors inside ignored regions ``(B, P)`` do not count."""
    excluded = (matches.object == BACKGROUND) & in_ignored_region
    return PriorMatches(torch.where(excluded, IGNORED, matches.object))
