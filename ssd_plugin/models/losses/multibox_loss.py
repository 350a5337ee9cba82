"""The training objective of SSD, as a module."""

from collections.abc import Callable, Sequence

from mmdet.registry import MODELS
from torch import Tensor

from ssd_plugin.ops.multibox_loss import multibox_loss

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class MultiBoxLoss(NormalizedLoss):
    """L = (L_conf + alpha L_loc) / N (SSD paper, equation 1), N the number of matched priors in the batch.

    In distributed training N is the mean over ranks, so that the gradients, which are averaged too, are those of the whole batch.
    Without a positive in the batch both losses are 0, or the mined background over 1 when ``negatives_if_empty`` is set.

    Args:
        neg_pos_ratio: negatives per positive, in each image.
        alpha: weight of the localisation loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: error at which smooth L1 turns from square to straight.
        mining: ``'background'`` or ``'foreground'``; see :func:`ssd_plugin.ops.multibox_loss.multibox_loss`.
        negatives_if_empty: negatives mined from an image without positives.
        box_loss: ``'smooth_l1'``, ``'iou'``, ``'giou'``, ``'diou'`` or ``'ciou'``; see :mod:`ssd_plugin.ops.box_losses`.
    """

    def __init__(
        self,
        neg_pos_ratio: float = 3.0,
        alpha: float | str = 1.0,
        beta: float = 1.0,
        mining: str = 'background',
        negatives_if_empty: int = 0,
        box_loss: str = 'smooth_l1',
    ):
        super().__init__(alpha)
        self.options = dict(
            neg_pos_ratio=neg_pos_ratio,
            beta=beta,
            mining=mining,
            negatives_if_empty=negatives_if_empty,
            box_loss=box_loss,
        )

    def forward(
        self,
        cls_maps: Sequence[Tensor],
        box_maps: Sequence[Tensor],
        labels: Tensor,
        box_targets: Tensor,
        num_outputs: int,
        class_order: Tensor | None = None,
        decode: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """
        Args:
            cls_maps: per level, class logits ``(B, A * K, H, W)``.
            box_maps: per level, predicted offsets ``(B, A * 4, H, W)``.
            labels: ``(B, P)``: K - 1 for background, below that for positives, below 0 for priors that do not count.
            box_targets: ``(B, P, 4)`` offsets to predict.
            num_outputs: K, the classes and the background.
            class_order: ``(K,)``, which output each label is; ``None`` for the order of the labels.
            decode: boxes in pixels from offsets, for a ``box_loss`` by overlap.

        Returns:
            ``loss_cls`` and ``loss_bbox``, scalars, and ``loss_alpha`` where alpha is learned.
        """
        sums = multibox_loss(
            cls_maps, box_maps, labels, box_targets, num_outputs, class_order, decode=decode, **self.options
        )
        return self.normalized(sums.num_positives, sums.bbox, loss_cls=sums.cls)
