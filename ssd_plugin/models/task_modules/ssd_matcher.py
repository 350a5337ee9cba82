"""Matching of priors to ground truth, as a task module."""

from collections.abc import Sequence

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.matching import BACKGROUND, IGNORED, match_priors, priors_in_regions


@TASK_UTILS.register_module()
class SSDMatcher:
    """Jaccard matching: each ground truth's best prior, then every prior above the threshold.

    Args:
        iou_threshold: IoU from which a prior is positive.
        unique: a ground truth that loses its best prior to another has its next best; see
            :func:`ssd_plugin.ops.matching.match_priors`.
        ignored: what becomes of annotated objects with an ignore flag, which are VOC's ``difficult`` objects and COCO's crowds.
            ``'match'`` trains on them like on any other (VOC, as the original release does), ``'exclude'`` takes no negatives
            from them (COCO), ``'background'`` forgets them.
        ignored_iof: with ``'exclude'``, the share of a prior inside such an object from which the prior does not count.
    """

    def __init__(
        self, iou_threshold: float = 0.5, unique: bool = False, ignored: str = 'exclude', ignored_iof: float = 0.5
    ):
        check_ignored(ignored)
        self.iou_threshold = iou_threshold
        self.unique = unique
        self.ignored = ignored
        self.ignored_iof = ignored_iof

    def __call__(
        self,
        priors: Tensor,
        boxes: Tensor,
        valid: Tensor,
        ignored: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Tensor:
        """
        Args:
            priors: ``(P, 4)``, corner form in pixels.
            boxes: ``(B, G, 4)`` ground truth, corner form in pixels, padded.
            valid: ``(B, G)`` bool, false where padded.
            ignored: ``(B, G)`` bool, the ignore flags; ``None`` when none is set.
            lengths: numbers of boxes before the padding, where known.

        Returns:
            ``(B, P)`` int64: index of the ground truth, ``BACKGROUND`` or ``IGNORED`` of :mod:`ssd_plugin.ops.matching`.
        """
        if ignored is None or self.ignored == 'match':
            return match_priors(priors, boxes, valid, self.iou_threshold, self.unique, lengths)
        objects = valid & ~ignored
        matches = match_priors(priors, boxes, objects, self.iou_threshold, self.unique, lengths)
        if self.ignored == 'exclude':
            uncounted = priors_in_regions(priors, boxes, valid & ignored, self.ignored_iof)
            matches = torch.where((matches == BACKGROUND) & uncounted, IGNORED, matches)
        return matches


def check_ignored(ignored: str) -> None:
    """Raise ValueError for what is no way to treat objects with an ignore flag."""
    if ignored not in ('match', 'exclude', 'background'):
        raise ValueError(f"ignored must be 'match', 'exclude' or 'background', got {ignored!r}")
