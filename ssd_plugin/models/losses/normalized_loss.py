"""What the losses share: division by the number of positives, and the weight of the localisation."""

import torch
from mmdet.utils import reduce_mean
from torch import Tensor, nn


class NormalizedLoss(nn.Module):
    """Sums over a batch, divided by its number of positives N; in distributed training N is the mean over ranks. All losses are 0 without
    a positive, but for what the sums hold then.

    Args:
        alpha: weight of the localisation loss, or ``'learned'``: then alpha is a parameter that starts at 1, and -log(alpha) is
            added, without which the least loss would be at alpha = 0 (the weighting of tasks by their uncertainty, arXiv 1705.07115,
            equation 10, with one task as the unit). It settles at 1 over the localisation loss.

    Attributes:
        num_positives: N of the last batch, scalar.
    """

    def __init__(self, alpha: float | str = 1.0):
        super().__init__()
        if isinstance(alpha, str) and alpha != 'learned':
            raise ValueError(f"alpha must be a number or 'learned', got {alpha!r}")
        self.log_alpha = nn.Parameter(torch.zeros(())) if alpha == 'learned' else None
        self.alpha = alpha
        self.num_positives: Tensor | None = None

    def normalized(self, num_positives: Tensor, bbox: Tensor, **others: Tensor) -> dict[str, Tensor]:
        """Losses from sums.

        Args:
            num_positives: scalar, of this rank.
            bbox: the localisation, scalar.
            others: scalars.

        Returns:
            ``others`` and ``loss_bbox``, and ``loss_alpha`` where alpha is learned.
        """
        self.num_positives = reduce_mean(num_positives.float())
        normalizer = self.num_positives.clamp(min=1.0)
        losses = {name: value / normalizer for name, value in others.items()}
        if self.log_alpha is None:
            losses['loss_bbox'] = self.alpha * bbox / normalizer
        else:
            losses['loss_bbox'] = self.log_alpha.exp() * bbox / normalizer
            losses['loss_alpha'] = -self.log_alpha * (self.num_positives > 0).to(bbox)
        return losses
