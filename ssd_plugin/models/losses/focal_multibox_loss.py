"""The training objective with a focal loss in place of mining, as a module."""

from collections.abc import Callable, Sequence

import torch
from mmdet.registry import MODELS
from torch import Tensor

from ssd_plugin.ops.box_losses import box_loss
from ssd_plugin.ops.boxes import elementwise_iou
from ssd_plugin.ops.focal_losses import focal_loss, quality_focal_loss
from ssd_plugin.ops.levels import at_least_float32, flatten_levels

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class FocalMultiBoxLoss(NormalizedLoss):
    """L = (L_focal + alpha L_loc) / N, N the number of matched priors in the batch, for a head with ``use_sigmoid=True``.

    Args:
        gamma: how much less an easy prior counts.
        balance: weight of positives in the focal loss, 1 - ``balance`` that of the others; below 0 for none.
        quality: quality focal loss, whose target is the IoU of the predicted box; ``balance`` is unused then.
        alpha: weight of the localisation loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: error at which smooth L1 turns from square to straight.
        box_loss: as in :class:`MultiBoxLoss`.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        balance: float = 0.25,
        quality: bool = False,
        alpha: float | str = 1.0,
        beta: float = 1.0,
        box_loss: str = 'smooth_l1',
    ):
        super().__init__(alpha)
        self.gamma = gamma
        self.balance = balance
        self.quality = quality
        self.beta = beta
        self.box_loss = box_loss

    def forward(
        self,
        cls_maps: Sequence[Tensor],
        box_maps: Sequence[Tensor],
        labels: Tensor,
        box_targets: Tensor,
        num_outputs: int,
        class_order: Tensor | None,
        decode: Callable[[Tensor], Tensor],
    ) -> dict[str, Tensor]:
        """Arguments as of :class:`MultiBoxLoss`, but the background has no output: K classes, and label K for background.

        Returns:
            ``loss_cls`` and ``loss_bbox``, scalars, and ``loss_alpha`` where alpha is learned.
        """
        deltas = flatten_levels([at_least_float32(m) for m in box_maps], 4)
        positive = (labels >= 0) & (labels < num_outputs)
        if self.quality:
            with torch.no_grad():
                iou = elementwise_iou(decode(deltas), decode(torch.where(positive.unsqueeze(-1), box_targets, deltas)))
            cls = quality_focal_loss(cls_maps, labels, iou, num_outputs, self.gamma)
        else:
            cls = focal_loss(cls_maps, labels, num_outputs, self.gamma, self.balance)
        bbox = box_loss(deltas, box_targets, positive, self.box_loss, self.beta, decode)
        return self.normalized(positive.sum(), bbox, loss_cls=cls)
