"""Losses of the classes without mining: every prior counts, easy ones little. One logistic output for each class, none for the background.

Focal loss: arXiv 1708.02002, equation 5; quality focal loss: arXiv 2006.04388, equation 6.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from .levels import at_least_float32, flatten_levels


def focal_loss(
    cls_maps: Sequence[Tensor], labels: Tensor, num_classes: int, gamma: float = 2.0, balance: float = 0.25
) -> Tensor:
    """FL(p_t) = -a_t (1 - p_t)^gamma log p_t, summed over priors and classes.

    Args:
        cls_maps: per level, class scores before the sigmoid ``(B, A * C, H, W)``, A the priors of a cell and C ``num_classes``.
        labels: ``(B, P)`` int64: 0..C-1 for positives, C for background, below 0 for priors that do not count.
        num_classes: C.
        gamma: how much less an easy prior counts.
        balance: a_t of a positive (the paper's alpha); 1 - a_t of the others; below 0 for no weights.

    Returns:
        Scalar.
    """
    scores = flatten_levels([at_least_float32(m) for m in cls_maps], num_classes)  # (B, P, C)
    losses = sigmoid_focal_loss(scores, _one_hot(scores, labels, scores.new_ones(())), balance, gamma)
    return torch.where((labels >= 0).unsqueeze(-1), losses, 0.0).sum()


def quality_focal_loss(
    cls_maps: Sequence[Tensor], labels: Tensor, quality: Tensor, num_classes: int, gamma: float = 2.0
) -> Tensor:
    """QFL(s) = |y - s|^gamma BCE(s, y), summed over priors and classes; y is the IoU of the predicted box where the prior is positive, for
    its class, and 0 elsewhere. So the score says how good the box is, too.

    Args:
        cls_maps: as in :func:`focal_loss`.
        labels: as in :func:`focal_loss`.
        quality: ``(B, P)`` IoU of each prior's predicted box with its ground truth, 0..1; read at positives only.
        num_classes: C.
        gamma: the paper's beta.

    Returns:
        Scalar.
    """
    scores = flatten_levels([at_least_float32(m) for m in cls_maps], num_classes)
    targets = _one_hot(scores, labels, quality)
    losses = F.binary_cross_entropy_with_logits(scores, targets, reduction='none') * (
        targets - scores.sigmoid()
    ).abs().pow(gamma)
    return torch.where((labels >= 0).unsqueeze(-1), losses, 0.0).sum()


def _one_hot(scores: Tensor, labels: Tensor, values: Tensor) -> Tensor:
    """``values``, which broadcast to ``(B, P)``, at the class of each positive, and 0 elsewhere; ``(B, P, C)``."""
    num_classes = scores.shape[-1]
    positive = (labels >= 0) & (labels < num_classes)
    values = torch.where(positive, values.to(scores), 0.0).unsqueeze(-1)
    return torch.zeros_like(scores).scatter(2, labels.clamp(0, num_classes - 1).unsqueeze(-1), values)
