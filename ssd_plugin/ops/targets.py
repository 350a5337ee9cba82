"""Training targets of the priors, or of pairs of prior and object, from ground truth.

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
    """Objects of a batch, padded to the largest number in an image; G is at least 1.

    Attributes:
        boxes: ``(B, G, 4)``, xyxy in pixels.
        labels: ``(B, G)`` int64, 0..C-1, -1 where padded and for an ignored object without a class.
        ignored: ``(B, G)`` bool, the ignore flags, false where padded; ``None`` if no object has one.
        lengths: Number of objects in each image, if the host knows them.
        classless: Whether ignored objects may have no class.
    """

    boxes: Tensor
    labels: Tensor
    ignored: Tensor | None = None
    lengths: Sequence[int] | None = None
    classless: bool = False

    @property
    def valid(self) -> Tensor:
        """``(B, G)`` bool, whether there is an object with a class."""
        return self.labels >= 0


class PriorMatches(NamedTuple):
    """One object at most for each prior.

    Attributes:
        object: ``(B, P)`` int64, index of the object, :data:`BACKGROUND` or :data:`IGNORED`.
    """

    object: Tensor


class PairMatches(NamedTuple):
    """Pairs of prior and object of a batch, first the pairs, then padding up to a fixed K.

    Attributes:
        image: ``(K,)`` int64, index of the image in the batch.
        object: ``(K,)`` int64, index of the object in its image.
        prior: ``(K,)`` int64, index of the prior.
        valid: ``(K,)`` bool, false for padding.
        excluded: ``(B, P)`` bool, priors excluded from negative mining; ``None`` for none.
        dropped: Number of pairs for which there was no room, int64 scalar; ``None`` if there always is.
    """

    image: Tensor
    object: Tensor
    prior: Tensor
    valid: Tensor
    excluded: Tensor | None = None
    dropped: Tensor | None = None


class PriorTargets(NamedTuple):
    """Training targets of the priors.

    Attributes:
        labels: ``(B, P)`` int64, 0..C-1 for an object, C for background, -1 for an ignored prior.
        deltas: ``(B, P, 4)`` offsets, read where the label is an object's.
    """

    labels: Tensor
    deltas: Tensor

    def positive(self, num_classes: int) -> Tensor:
        """Return which priors have an object, ``(B, P)`` bool."""
        return (self.labels >= 0) & (self.labels < num_classes)


class PairTargets(NamedTuple):
    """Training targets of pairs of prior and object.

    Attributes:
        pairs: The pairs.
        labels: ``(K,)`` int64, class of each pair's object, 0..C-1.
        deltas: ``(K, 4)`` offsets of each pair's object from its prior.
    """

    pairs: PairMatches
    labels: Tensor
    deltas: Tensor


def prior_labels(matches: PriorMatches, labels: Tensor, num_classes: int) -> Tensor:
    """Return the label of each prior: its object's, C without an object, -1 for an ignored prior.

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
    """Return the box of each prior's object, ``(B, P, 4)`` from ``(B, G, 4)``; arbitrary without one."""
    return boxes.gather(1, matches.object.clamp(min=0).unsqueeze(-1).expand(-1, -1, 4))


def exclude_ignored(matches: PriorMatches, in_ignored_region: Tensor) -> PriorMatches:
    """Return the matches with the background priors inside ignored regions, ``(B, P)`` bool, marked as ignored."""
    excluded = (matches.object == BACKGROUND) & in_ignored_region
    return PriorMatches(torch.where(excluded, IGNORED, matches.object))
