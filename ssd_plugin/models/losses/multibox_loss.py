"""The training objective of SSD, as a module."""

from typing import Literal

from mmdet.registry import MODELS
from torch import Tensor

from ssd_plugin.ops.box_losses import check_kind
from ssd_plugin.ops.multibox_loss import MINING, multibox_loss
from ssd_plugin.ops.predictions import Predictions
from ssd_plugin.ops.targets import PriorTargets
from ssd_plugin.option_ranges import check_counts, check_number

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class MultiBoxLoss(NormalizedLoss[PriorTargets]):
    """L = (L_conf + alpha L_loc) / N (SSD paper, equation 1), N the number of matched priors in the batch.

    In distributed training N is the mean over ranks, so that the gradients, which are averaged too, are those of the
    whole batch. Without a positive in the batch both losses are 0, or the mined background over 1 if
    ``negatives_if_empty`` is set.

    Args:
        neg_pos_ratio: Negatives per positive, in each image.
        alpha: Weight of the localization loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: Threshold between the L2 and L1 regimes of smooth L1.
        mining: ``'background'`` or ``'foreground'``; see :func:`ssd_plugin.ops.multibox_loss.multibox_loss`.
        negatives_if_empty: Negatives mined from an image without positives.
        box_loss: ``'smooth_l1'``, ``'iou'``, ``'giou'``, ``'diou'`` or ``'ciou'``; see
            :mod:`ssd_plugin.ops.box_losses`.
        reduction: ``'positives'``, division of both losses by N, or ``'mean'``, the means over the priors that the
            classification loss counts (positives and mined negatives) and over the coordinates of the matched boxes,
            each a quarter of the former with three negatives per positive. ``PooledOptimWrapper`` weights micro-batches
            by their positives, which equals one large batch only where each has its three negatives per positive.

    Raises:
        ValueError: An option is unknown.
    """

    takes = PriorTargets

    def __init__(
        self,
        neg_pos_ratio: float = 3.0,
        alpha: float | Literal['learned'] = 1.0,
        beta: float = 1.0,
        mining: str = 'background',
        negatives_if_empty: int = 0,
        box_loss: str = 'smooth_l1',
        reduction: Literal['positives', 'mean'] = 'positives',
    ) -> None:
        super().__init__(alpha)
        check_kind(box_loss)
        if reduction == 'mean' and box_loss != 'smooth_l1':
            raise ValueError(f"reduction='mean' is over the coordinates of smooth L1, which {box_loss!r} does not have")
        if reduction not in ('positives', 'mean'):
            raise ValueError(f"reduction must be 'positives' or 'mean', got {reduction!r}")
        if mining not in MINING:
            raise ValueError(f'mining must be one of {MINING}, got {mining!r}')
        check_number('neg_pos_ratio', neg_pos_ratio)
        check_number('beta', beta)
        check_counts(0, negatives_if_empty=negatives_if_empty)
        self.neg_pos_ratio = neg_pos_ratio
        self.beta = beta
        self.mining = mining
        self.negatives_if_empty = negatives_if_empty
        self.box_loss = box_loss
        self.reduction = reduction

    def forward(self, predictions: Predictions, targets: PriorTargets) -> dict[str, Tensor]:
        """Return ``loss_cls`` and ``loss_bbox``, ``loss_alpha`` if alpha is learned, and ``num_positives``; scalars."""
        sums = multibox_loss(
            predictions,
            targets,
            self.neg_pos_ratio,
            self.beta,
            self.mining,
            self.negatives_if_empty,
            self.box_loss,
        )
        num_counted = sums.num_counted if self.reduction == 'mean' else None
        return self.normalized(sums.num_positives, sums.bbox, num_counted, loss_cls=sums.cls)
