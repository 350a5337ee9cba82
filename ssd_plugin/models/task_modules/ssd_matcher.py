"""Matching of SSD, as a task module."""

from typing import Literal

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.matching import CONTESTED, match_priors
from ssd_plugin.ops.targets import GroundTruth, PriorMatches, exclude_ignored

from .matcher import Matcher


@TASK_UTILS.register_module()
class SSDMatcher(Matcher):
    """Jaccard matching: each object's best prior, then every prior whose IoU reaches the threshold.

    Args:
        iou_threshold: IoU from which a prior is positive.
        contested: Which object takes a prior that is the best one of several: the one with the ``'highest'`` IoU, the
            ``'last'`` one, or, with ``'next_best'``, the one with the highest IoU while the others take their next best
            priors; see :func:`ssd_plugin.ops.matching.match_priors`. docs/recipes.md says who does what.
        inclusive: Whether a prior whose IoU equals the threshold is positive.
        ignored: Treatment of objects with an ignore flag; see :class:`Matcher`.
        ignored_iof: See :class:`Matcher`.

    Raises:
        ValueError: ``contested`` or ``ignored`` is unknown.
    """

    gives = PriorMatches

    def __init__(
        self,
        iou_threshold: float = 0.5,
        contested: Literal['highest', 'last', 'next_best'] = 'highest',
        inclusive: bool = True,
        ignored: Literal['match', 'exclude', 'background'] = 'exclude',
        ignored_iof: float = 0.5,
    ) -> None:
        super().__init__(iou_threshold, ignored, ignored_iof)
        if contested not in CONTESTED:
            raise ValueError(f'contested must be one of {CONTESTED}, got {contested!r}')
        if not isinstance(inclusive, bool):
            raise ValueError(f'inclusive must be True or False, got {inclusive!r}')
        self.inclusive = inclusive
        self.contested = contested

    def __call__(self, priors: Tensor, ground_truth: GroundTruth) -> PriorMatches:
        """Match priors ``(P, 4)``, xyxy in pixels, to one object each at most."""
        objects = self.objects(ground_truth)
        matches = PriorMatches(
            match_priors(
                priors,
                ground_truth.boxes,
                objects,
                self.iou_threshold,
                self.contested,
                self.inclusive,
                ground_truth.lengths,
            )
        )
        excluded = self.excluded(priors, ground_truth)
        return matches if excluded is None else exclude_ignored(matches, excluded)
