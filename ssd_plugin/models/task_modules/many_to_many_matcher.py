"""Many-to-many matching, as a task module."""

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.many_to_many_matching import Pairs, match_pairs
from ssd_plugin.ops.matching import priors_in_regions

from .ssd_matcher import check_ignored


@TASK_UTILS.register_module()
class ManyToManyMatcher:
    """Every pair of prior and ground truth above the threshold, for :class:`ManyToManyLoss`. A ground truth that no prior overlaps
    enough has none.

    Args:
        iou_threshold: IoU that a pair must exceed.
        ignored: what becomes of annotated objects with an ignore flag, as in :class:`SSDMatcher`.
        ignored_iof: with ``'exclude'``, the share of a prior inside such an object from which the prior is no negative.
    """

    def __init__(self, iou_threshold: float = 0.5, ignored: str = 'exclude', ignored_iof: float = 0.5):
        check_ignored(ignored)
        self.iou_threshold = iou_threshold
        self.ignored = ignored
        self.ignored_iof = ignored_iof

    def pairs(
        self, priors: Tensor, boxes: Tensor, valid: Tensor, ignored: Tensor | None = None
    ) -> tuple[Pairs, Tensor | None]:
        """
        Args:
            priors: ``(P, 4)``, corner form in pixels.
            boxes: ``(B, G, 4)`` ground truth, corner form in pixels, padded.
            valid: ``(B, G)`` bool, false where padded.
            ignored: ``(B, G)`` bool, the ignore flags; ``None`` when none is set.

        Returns:
            :class:`ssd_plugin.ops.many_to_many_matching.Pairs`, and which priors ``(B, P)`` are no negatives, ``None`` if all may be.
        """
        if ignored is None or self.ignored == 'match':
            return match_pairs(priors, boxes, valid, self.iou_threshold), None
        uncounted = (
            priors_in_regions(priors, boxes, valid & ignored, self.ignored_iof) if self.ignored == 'exclude' else None
        )
        return match_pairs(priors, boxes, valid & ~ignored, self.iou_threshold), uncounted
