"""The training objective over pairs of prior and object, as a module."""

from typing import Literal

import torch
from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from torch import Tensor

from ssd_plugin.ops.many_to_many_loss import NO_MATCH, many_to_many_loss
from ssd_plugin.ops.predictions import Predictions
from ssd_plugin.ops.targets import PairTargets
from ssd_plugin.option_ranges import check_number

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class ManyToManyLoss(NormalizedLoss[PairTargets]):
    """L = L_loc + L_conf + L_no-match over pairs, for a head with a :class:`ManyToManyMatcher`.

    Args:
        neg_pos_ratio: Negatives per pair, in each image.
        alpha: Weight of the localization loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: Threshold between the L2 and L1 regimes of smooth L1.
        no_match: Loss of a hard negative: ``'background'``, its cross-entropy with the background as in SSD, or
            ``'best_class'``, log(1 + c_max / sum(c)) of its class scores c, which is what the text on many-to-many
            matching says; see :func:`ssd_plugin.ops.many_to_many_loss.many_to_many_loss`.
        reduction: ``'positives'``, division by the number of pairs, as in SSD, or ``'sum'``, the plain sum over the
            batch of a rank, which is what that text says and needs a learning rate that is lower by as many times as a
            batch has pairs. A sum cannot be pooled by ``PooledOptimWrapper``.

    Attributes:
        dropped_pairs: Number of pairs of this run's training for which the matcher has had no room, int64 scalar.

    Raises:
        ValueError: An option is unknown.
    """

    takes = PairTargets
    dropped_pairs: Tensor

    def __init__(
        self,
        neg_pos_ratio: float = 3.0,
        alpha: float | Literal['learned'] = 1.0,
        beta: float = 1.0,
        no_match: Literal['background', 'best_class'] = 'background',
        reduction: Literal['positives', 'sum'] = 'positives',
    ) -> None:
        super().__init__(alpha)
        if no_match not in NO_MATCH:
            raise ValueError(f'no_match must be one of {NO_MATCH}, got {no_match!r}')
        if reduction not in ('positives', 'sum'):
            raise ValueError(f"reduction must be 'positives' or 'sum', got {reduction!r}")
        check_number('neg_pos_ratio', neg_pos_ratio)
        check_number('beta', beta)
        self.neg_pos_ratio = neg_pos_ratio
        self.beta = beta
        self.no_match = no_match
        self.reduction = reduction
        self.register_buffer('dropped_pairs', torch.zeros((), dtype=torch.long), persistent=False)

    def forward(self, predictions: Predictions, targets: PairTargets) -> dict[str, Tensor]:
        """Return ``loss_cls``, ``loss_no_match``, ``loss_bbox``, and ``loss_alpha`` if learned.

        The number of pairs is ``num_positives``, by which they are divided, or ``num_pairs`` if they are sums.
        """
        sums = many_to_many_loss(predictions, targets, self.neg_pos_ratio, self.beta, self.no_match)
        if self.training and targets.pairs.dropped is not None:
            self.dropped_pairs += targets.pairs.dropped
        others = dict(loss_cls=sums.cls, loss_no_match=sums.no_match)
        if self.reduction == 'positives':
            return self.normalized(sums.num_pairs, sums.bbox, **others)
        num_pairs = reduce_mean(sums.num_pairs.float())
        return {**others, **self.weighted(sums.bbox, num_pairs), 'num_pairs': num_pairs}
