"""The training objective over pairs of prior and object, as a module."""

from collections.abc import Callable, Sequence

from mmdet.registry import MODELS
from torch import Tensor

from ssd_plugin.ops.many_to_many_loss import many_to_many_loss
from ssd_plugin.ops.many_to_many_matching import Pairs

from .normalized_loss import NormalizedLoss


@MODELS.register_module()
class ManyToManyLoss(NormalizedLoss):
    """L = (L_loc + L_conf + L_no-match) / N, N the number of pairs of prior and object in the batch, with :class:`ManyToManyMatcher`.

    Args:
        neg_pos_ratio: negatives per pair, in each image.
        alpha: weight of the localisation loss, or ``'learned'``; see :class:`NormalizedLoss`.
        beta: error at which smooth L1 turns from square to straight.
    """

    def __init__(self, neg_pos_ratio: float = 3.0, alpha: float | str = 1.0, beta: float = 1.0):
        super().__init__(alpha)
        self.neg_pos_ratio = neg_pos_ratio
        self.beta = beta

    def forward(
        self,
        cls_maps: Sequence[Tensor],
        box_maps: Sequence[Tensor],
        pairs: Pairs,
        labels: Tensor,
        box_targets: Tensor,
        uncounted: Tensor | None,
        num_outputs: int,
        class_order: Tensor | None = None,
        decode: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Arguments of :func:`ssd_plugin.ops.many_to_many_loss.many_to_many_loss`; ``decode`` is unused, the boxes' error is smooth L1.

        Returns:
            ``loss_cls``, ``loss_no_match`` and ``loss_bbox``, scalars, and ``loss_alpha`` where alpha is learned.
        """
        sums = many_to_many_loss(
            cls_maps,
            box_maps,
            pairs,
            labels,
            box_targets,
            uncounted,
            num_outputs,
            class_order,
            self.neg_pos_ratio,
            self.beta,
        )
        return self.normalized(sums.num_pairs, sums.bbox, loss_cls=sums.cls, loss_no_match=sums.no_match)
