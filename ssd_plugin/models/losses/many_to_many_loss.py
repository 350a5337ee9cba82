"""The training objective over pairs of prior and object, as a module."""

from typing import Literal

from mmdet.registry import MODELS
from torch import Tensor

from ssd_plugin.ops.many_to_many_loss import many_to_many_loss
from ssd_plugin.ops.predictions import Predictions
from ssd_plugin.ops.targets import PairTargets

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class ManyToManyLoss(NormalizedLoss[PairTargets]):
    """L = (L_loc + L_conf + L_no-match) / N, N the number of pairs, for a head with a :class:`ManyToManyMatcher`.

    Args:
        neg_pos_ratio: Negatives per pair, in each image.
        alpha: Weight of the localization loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: Threshold between the L2 and L1 regimes of smooth L1.
    """

    takes = PairTargets

    def __init__(self, neg_pos_ratio: float = 3.0, alpha: float | Literal['learned'] = 1.0, beta: float = 1.0) -> None:
        super().__init__(alpha)
        self.neg_pos_ratio = neg_pos_ratio
        self.beta = beta

    def forward(self, predictions: Predictions, targets: PairTargets) -> dict[str, Tensor]:
        """Return ``loss_cls``, ``loss_no_match``, ``loss_bbox``, ``num_positives``, and ``loss_alpha`` if learned."""
        sums = many_to_many_loss(predictions, targets, self.neg_pos_ratio, self.beta)
        return self.normalized(sums.num_pairs, sums.bbox, loss_cls=sums.cls, loss_no_match=sums.no_match)
