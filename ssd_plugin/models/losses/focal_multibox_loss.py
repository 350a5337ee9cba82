"""The training objective with a focal loss in place of mining, as a module."""

import math
from typing import Literal

import torch
from mmdet.registry import MODELS
from torch import Tensor

from ssd_plugin.ops.box_losses import box_loss, check_kind
from ssd_plugin.ops.boxes import elementwise_iou
from ssd_plugin.ops.focal_losses import focal_loss, quality_focal_loss
from ssd_plugin.ops.predictions import Predictions
from ssd_plugin.ops.targets import PriorTargets
from ssd_plugin.option_ranges import check_number

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class FocalMultiBoxLoss(NormalizedLoss[PriorTargets]):
    """L = (L_focal + alpha L_loc) / N, N the number of matched priors, for a head with ``use_sigmoid=True``.

    Args:
        gamma: Focusing exponent; the higher, the less an easy prior counts.
        balance: Weight of positives in the focal loss, 1 - ``balance`` that of the others; below 0 for none.
        quality: Use quality focal loss, whose target is the IoU of the predicted box; ``balance`` has no effect then.
        alpha: Weight of the localization loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: Threshold between the L2 and L1 regimes of smooth L1.
        box_loss: As in :class:`MultiBoxLoss`.
    """

    takes = PriorTargets
    activation = 'sigmoid'

    def __init__(
        self,
        gamma: float = 2.0,
        balance: float = 0.25,
        quality: bool = False,
        alpha: float | Literal['learned'] = 1.0,
        beta: float = 1.0,
        box_loss: str = 'smooth_l1',
    ) -> None:
        super().__init__(alpha)
        check_kind(box_loss)
        check_number('gamma', gamma)
        check_number('balance', balance, -math.inf, 1)
        check_number('beta', beta)
        self.gamma = gamma
        self.balance = balance
        self.quality = quality
        self.beta = beta
        self.box_loss = box_loss

    def forward(self, predictions: Predictions, targets: PriorTargets) -> dict[str, Tensor]:
        """Return ``loss_cls`` and ``loss_bbox``, ``loss_alpha`` if alpha is learned, and ``num_positives``; scalars."""
        logits, deltas = predictions.logits(), predictions.deltas()
        positive = targets.positive(predictions.layout.num_classes)
        if self.quality:
            with torch.no_grad():
                wanted = torch.where(positive.unsqueeze(-1), targets.deltas, deltas)
                iou = elementwise_iou(predictions.decode(deltas), predictions.decode(wanted))
            cls = quality_focal_loss(logits, targets.labels, iou, self.gamma)
        else:
            cls = focal_loss(logits, targets.labels, self.gamma, self.balance)
        bbox = box_loss(predictions, deltas, targets.deltas, positive, self.box_loss, self.beta)
        return self.normalized(positive.sum(), bbox, loss_cls=cls)
