"""Many-to-many matching, as a task module."""

import math
from typing import Literal

from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.many_to_many_matching import PAIRS_PER_PRIOR, match_pairs
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
        pairs_per_prior: Room for pairs, as a multiple of the number of priors of the batch. Pairs beyond it, which only
            batches with thousands of overlapping objects have, are dropped; ``DroppedPairsHook`` reports them.
    """

    gives = PairMatches

    def __init__(
        self,
        iou_threshold: float = 0.5,
        ignored: Literal['match', 'exclude', 'background'] = 'exclude',
        ignored_iof: float = 0.5,
        pairs_per_prior: float = PAIRS_PER_PRIOR,
    ) -> None:
        super().__init__(iou_threshold, ignored, ignored_iof)
        if not 0 < pairs_per_prior < math.inf:
            raise ValueError(f'pairs_per_prior must be positive and finite, got {pairs_per_prior}')
        self.pairs_per_prior = pairs_per_prior

    def __call__(self, priors: Tensor, ground_truth: GroundTruth) -> PairMatches:
        """Match priors ``(P, 4)``, xyxy in pixels, to any number of objects each."""
        excluded = self.excluded(priors, ground_truth)
        pairs = match_pairs(
            priors, ground_truth.boxes, self.objects(ground_truth), self.iou_threshold, self.pairs_per_prior
        )
        return pairs._replace(excluded=excluded)
