"""The training objective of SSD, as a module."""
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from ssd_plugin.ops.multibox_loss import multibox_loss


@MODELS.register_module()
class MultiBoxLoss(nn.Module):
    """L = (L_conf + alpha L_loc) / N (SSD paper, equation 1), N the number of matched priors in the batch.

    In distributed training N is the mean over ranks, so that the gradients, which are averaged too, are those of the whole batch.
    Without a positive in the batch both losses are 0, or the mined background over 1 when ``negatives_if_empty`` is set.

    Args:
        neg_pos_ratio: negatives per positive, in each image.
        alpha: weight of the localisation loss.
        beta: error at which smooth L1 turns from square to straight.
        mining: ``'background'`` or ``'foreground'``; see :func:`ssd_plugin.ops.multibox_loss.multibox_loss`.
        negatives_if_empty: negatives mined from an image without positives.

    Attributes:
        num_positives: N of the last batch, scalar.
    """

    def __init__(self,
                 neg_pos_ratio: float = 3.,
                 alpha: float = 1.,
                 beta: float = 1.,
                 mining: str = 'background',
                 negatives_if_empty: int = 0):
        super().__init__()
        self.alpha = alpha
        self.num_positives: Tensor | None = None
        self.options = dict(neg_pos_ratio=neg_pos_ratio, beta=beta, mining=mining, negatives_if_empty=negatives_if_empty)

    def forward(self,
                cls_maps: Sequence[Tensor],
                box_maps: Sequence[Tensor],
                labels: Tensor,
                box_targets: Tensor,
                num_outputs: int,
                class_order: Tensor | None = None) -> dict[str, Tensor]:
        """
        Args:
            cls_maps: per level, class logits ``(B, A * K, H, W)``.
            box_maps: per level, predicted offsets ``(B, A * 4, H, W)``.
            labels: ``(B, P)``: K - 1 for background, below that for positives, below 0 for priors that do not count.
            box_targets: ``(B, P, 4)`` offsets to predict.
            num_outputs: K, the classes and the background.
            class_order: ``(K,)``, which output each label is; ``None`` for the order of the labels.

        Returns:
            ``loss_cls`` and ``loss_bbox``, scalars.
        """
        sums = multibox_loss(cls_maps, box_maps, labels, box_targets, num_outputs, class_order, **self.options)
        self.num_positives = reduce_mean(sums.num_positives.float())
        normalizer = self.num_positives.clamp(min=1.)
        return dict(loss_cls=sums.cls / normalizer, loss_bbox=self.alpha * sums.bbox / normalizer)
