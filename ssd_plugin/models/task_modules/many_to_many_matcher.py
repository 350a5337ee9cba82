"""Many-to-many matching, as a task module."""

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.many_to_many_matching import match_pairs
from ssd_plugin.ops.targets import GroundTruth, PairMatches

from .matcher import Matcher


@TASK_UTILS.register_module()
class ManyToManyMatcher(Matcher):
    """Matcher that takes every pair of prior and object whose IoU exceeds the threshold, for :class:`ManyToManyLoss`.

    An object that no prior overlaps enough has no pair.

    Args:
        iou_threshold: IoU that a pair must exceed.
        ignored: Treatment of objects with an ignore flag; see :class:`Matcher`.
        ignored_iof: See :class:`Matcher`.
    """

    gives = PairMatches

    def __call__(self, priors: Tensor, ground_truth: GroundTruth) -> PairMatches:
        """Match priors ``(P, 4)``, xyxy in pixels, to any number of objects each."""
        excluded = self.excluded(priors, ground_truth)
        pairs = match_pairs(priors, ground_truth.boxes, self.objects(ground_truth), self.iou_threshold)
        return pairs._replace(excluded=excluded)
