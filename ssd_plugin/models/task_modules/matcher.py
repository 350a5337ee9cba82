"""Base of the matchers, with the treatment of objects with an ignore flag."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from ssd_plugin.ops.matching import priors_in_regions
from ssd_plugin.ops.targets import GroundTruth, PairMatches, PriorMatches
from ssd_plugin.option_ranges import check_fractions


class Matcher(ABC):
    """Matching of priors to the ground truth of a batch.

    Args:
        iou_threshold: Lowest IoU of a match; whether the threshold itself matches depends on the matcher.
        ignored: Treatment of annotated objects with an ignore flag, which are VOC's ``difficult`` objects and COCO's
            crowds. ``'match'`` trains on them like on any other (VOC, as the original release does), ``'exclude'``
            takes no negatives from them (COCO), ``'background'`` treats them as background. With ``'match'``, those
            without a class, as MMDetection allows, are treated as with ``'exclude'``.
        ignored_iof: With ``'exclude'``, the fraction of a prior inside such an object from which the prior is ignored.

    Attributes:
        gives: Type of the result.

    Raises:
        ValueError: ``ignored`` is unknown, or a number is out of its range.
    """

    gives: ClassVar[type[PriorMatches] | type[PairMatches]]

    def __init__(
        self,
        iou_threshold: float = 0.5,
        ignored: Literal['match', 'exclude', 'background'] = 'exclude',
        ignored_iof: float = 0.5,
    ) -> None:
        if ignored not in ('match', 'exclude', 'background'):
            raise ValueError(f"ignored must be 'match', 'exclude' or 'background', got {ignored!r}")
        check_fractions(iou_threshold=iou_threshold, ignored_iof=ignored_iof)
        self.iou_threshold = iou_threshold
        self.ignored = ignored
        self.ignored_iof = ignored_iof

    @abstractmethod
    def __call__(self, priors: Tensor, ground_truth: GroundTruth) -> PriorMatches | PairMatches:
        """Match priors ``(P, 4)``, xyxy in pixels, to the ground truth of a batch."""

    def objects(self, ground_truth: GroundTruth) -> Tensor:
        """Return which objects take part in the matching, ``(B, G)`` bool."""
        if ground_truth.ignored is None or self.ignored == 'match':
            return ground_truth.valid
        return ground_truth.valid & ~ground_truth.ignored

    def excluded(self, priors: Tensor, ground_truth: GroundTruth) -> Tensor | None:
        """Return which priors ``(B, P)`` are excluded from negative mining; ``None`` if none is."""
        regions = ground_truth.ignored
        if regions is None or self.ignored == 'background':
            return None
        if self.ignored == 'match':
            if not ground_truth.classless:
                return None
            regions = regions & ~ground_truth.valid
        return priors_in_regions(priors, ground_truth.boxes, regions, self.ignored_iof)
