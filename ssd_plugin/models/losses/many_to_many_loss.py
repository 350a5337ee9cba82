"""The training objective over pairs of prior and object, as a module."""
from collections.abc import Sequence

from mmdet.registry import MODELS
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from ssd_plugin.ops.many_to_many_loss import many_to_many_loss
from ssd_plugin.ops.pairs import Pairs


@MODELS.register_module()
class ManyToManyLoss(nn.Module):
    """L = (L_loc + L_conf + L_no-match) / N, N the number of pairs of prior and object in the batch, with :class:`ManyToManyMatcher`.

    In distributed training N is the mean over ranks. Without a pair in the batch all losses are 0.

    Args:
        neg_pos_ratio: negatives per pair, in each image.
        alpha: weight of the localisation loss.
        beta: error at which smooth L1 turns from square to straight.

    Attributes:
        num_positives: N of the last batch, scalar.
    """

    def __init__(self, neg_pos_ratio: float = 3., alpha: float = 1., beta: float = 1.):
        super().__init__()
        self.neg_pos_ratio = neg_pos_ratio
        self.alpha = alpha
        self.num_positives: Tensor | None = None
        self.beta = beta

    def forward(self, cls_maps: Sequence[Tensor], box_maps: Sequence[Tensor], pairs: Pairs, labels: Tensor, box_targets: Tensor,
                uncounted: Tensor | None, num_outputs: int, class_order: Tensor | None = None) -> dict[str, Tensor]:
        """Arguments of :func:`ssd_plugin.ops.many_to_many_loss.many_to_many_loss`.

        Returns:
            ``loss_cls``, ``loss_no_match`` and ``loss_bbox``, scalars.
        """
        sums = many_to_many_loss(cls_maps, box_maps, pairs, labels, box_targets, uncounted, num_outputs, class_order, self.neg_pos_ratio,
                                 self.beta)
        self.num_positives = reduce_mean(sums.num_pairs.float())
        normalizer = self.num_positives.clamp(min=1.)
        return dict(
            loss_cls=sums.cls / normalizer, loss_no_match=sums.no_match / normalizer, loss_bbox=self.alpha * sums.bbox / normalizer)
