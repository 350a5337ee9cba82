"""Matching of SSD, as a task module."""

from typing import Literal

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.matching import match_priors
from ssd_plugin.ops.targets import GroundTruth, PriorMatches, exclude_ignored

from .matcher import Matcher


@TASK_UTILS.register_module()
class SSDMatcher(Matcher):
    """Jaccard matching: each object's best prior, then every prior whose IoU reaches the threshold.

    Args:
        iou_threshold: IoU from which a prior is positive.
        unique: Give an object that loses its best prior to another one its next best; see
            :func:`ssd_plugin.ops.matching.match_priors`.
        ignored: Treatment of objects with an ignore flag; see :class:`Matcher`.
        ignored_iof: See :class:`Matcher`.
    """

    gives = PriorMatches

    def __init__(
        self,
        iou_threshold: float = 0.5,
        unique: bool = False,
        ignored: Literal['match', 'exclude', 'background'] = 'exclude',
        ignored_iof: float = 0.5,
    ) -> None:
        super().__init__(iou_threshold, ignored, ignored_iof)
        self.unique = unique

    def __call__(self, priors: Tensor, ground_truth: GroundTruth) -> PriorMatches:
        """Match priors ``(P, 4)``, xyxy in pixels, to one object each at most."""
        objects = self.objects(ground_truth)
        matches = PriorMatches(
            match_priors(priors, ground_truth.boxes, objects, self.iou_threshold, self.unique, ground_truth.lengths)
        )
        excluded = self.excluded(priors, ground_truth)
        return matches if excluded is None else exclude_ignored(matches, excluded)
