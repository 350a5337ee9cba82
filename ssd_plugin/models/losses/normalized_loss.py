"""Base of the losses: division by the number of positives, and the weight of the localization loss."""

from typing import Any, ClassVar, Generic, Literal, TypeVar

import torch
from mmdet.utils import reduce_mean
from torch import Tensor, nn

from ssd_plugin.ops.predictions import Predictions
from ssd_plugin.ops.targets import PairTargets, PriorTargets
from ssd_plugin.option_ranges import check_number

Targets = TypeVar('Targets', PriorTargets, PairTargets)


class NormalizedLoss(nn.Module, Generic[Targets]):
    """Sums over a batch, divided by its number of positives N, the mean over ranks in distributed training.

    Subclasses compute the sums in ``forward(predictions, targets)`` and return :meth:`normalized`. Without a positive
    in the batch all losses are 0, except for sums over negatives.

    Args:
        alpha: Weight of the localization loss, or ``'learned'``: then alpha is a parameter that starts at 1, and
            -log(alpha) is added, since the loss would otherwise be lowest at alpha = 0 (weighting of tasks by their
            uncertainty, arXiv 1705.07115, equation 10, with one task as the unit). It settles at 1 over the
            localization loss.

    Attributes:
        takes: Type of the targets that the loss takes.
        activation: Activation of the class outputs that the loss is defined for.
    """

    takes: ClassVar[type[PriorTargets] | type[PairTargets]]
    activation: ClassVar[Literal['sigmoid', 'softmax']] = 'softmax'

    def __init__(self, alpha: float | Literal['learned'] = 1.0) -> None:
        super().__init__()
        if isinstance(alpha, str) and alpha != 'learned':
            raise ValueError(f"alpha must be a number or 'learned', got {alpha!r}")
        if alpha != 'learned':
            check_number('alpha', alpha)
        self.log_alpha = nn.Parameter(torch.zeros(())) if alpha == 'learned' else None
        self.alpha = alpha

    def forward(self, predictions: Predictions, targets: Targets) -> dict[str, Tensor]:
        """Return the losses by name, and ``num_positives``."""
        raise NotImplementedError

    def normalized(
        self, num_positives: Tensor, bbox: Tensor, num_counted: Tensor | None = None, **others: Tensor
    ) -> dict[str, Tensor]:
        """Return losses from sums.

        Args:
            num_positives: Positives of this rank, scalar.
            bbox: Localization loss, scalar.
            num_counted: Priors of this rank that ``others`` are sums over, scalar. With it, the losses are means over
                priors and over coordinates; without it, all are divided by N.
            others: Other losses by name, scalars.

        Returns:
            ``others`` and ``loss_bbox``, normalized, ``loss_alpha`` if alpha is learned, and ``num_positives``, which
            is N.
        """
        mean_positives = reduce_mean(num_positives.float())
        normalizer = mean_positives.clamp(min=1.0)
        if num_counted is None:
            losses = {name: value / normalizer for name, value in others.items()}
        else:
            mean_counted = reduce_mean(num_counted.float()).clamp(min=1.0)
            losses = {name: value / mean_counted for name, value in others.items()}
            normalizer = 4 * normalizer
        weighted = self.weighted(bbox, mean_positives, normalizer)
        return {**losses, **weighted, 'num_positives': mean_positives}

    def weighted(self, bbox: Tensor, num_positives: Tensor, normalizer: Tensor | float = 1.0) -> dict[str, Tensor]:
        """Return ``loss_bbox``, weighted with alpha, and ``loss_alpha`` if alpha is learned.

        Args:
            bbox: Localization loss, scalar.
            num_positives: Number of positives, scalar; without any, alpha does not change.
            normalizer: Divisor of the localization loss, scalar.
        """
        weight: Any = self.alpha if self.log_alpha is None else self.log_alpha.exp()
        losses = dict(loss_bbox=weight * bbox / normalizer)
        if self.log_alpha is not None:
            losses['loss_alpha'] = -self.log_alpha * (num_positives > 0).to(bbox)
        return losses
