"""Classification losses without mining, which give easy priors a low weight; one sigmoid output per class.

Focal loss: arXiv 1708.02002, equation 5; quality focal loss: arXiv 2006.04388, equation 6.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0, balance: float = 0.25) -> Tensor:
    """Return FL(p_t) = -a_t (1 - p_t)^gamma log p_t, summed over priors and classes.

    Args:
        logits: ``(B, P, C)`` scores before the sigmoid.
        labels: ``(B, P)`` int64: 0..C-1 for positives, C for background, -1 for ignored priors.
        gamma: Focusing exponent; the higher, the less an easy prior counts.
        balance: a_t of a positive (the paper's alpha), and 1 - a_t of the others; below 0 for no weights.

    Returns:
        Scalar.
    """
    losses = sigmoid_focal_loss(logits, _one_hot(logits, labels, logits.new_ones(())), balance, gamma)
    return torch.where((labels >= 0).unsqueeze(-1), losses, 0.0).sum()


def quality_focal_loss(logits: Tensor, labels: Tensor, quality: Tensor, gamma: float = 2.0) -> Tensor:
    """Return QFL(s) = |y - s|^gamma BCE(s, y), summed over priors and classes.

    y is the IoU of the predicted box for a positive and its class, and 0 elsewhere, so that scores rank boxes by
    quality, too.

    Args:
        logits: ``(B, P, C)`` scores before the sigmoid.
        labels: As in :func:`focal_loss`.
        quality: ``(B, P)`` IoU of each prior's predicted box with its ground truth, 0..1; read at positives only.
        gamma: The paper's beta.

    Returns:
        Scalar.
    """
    targets = _one_hot(logits, labels, quality)
    distance = (targets - logits.sigmoid()).abs().pow(gamma)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction='none') * distance
    return torch.where((labels >= 0).unsqueeze(-1), losses, 0.0).sum()


def _one_hot(logits: Tensor, labels: Tensor, values: Tensor) -> Tensor:
    """Return ``(B, P, C)``: ``values`` ``(B, P)`` at the class of each positive, 0 elsewhere."""
    num_classes = logits.shape[-1]
    positive = (labels >= 0) & (labels < num_classes)
    values = torch.where(positive, values.to(logits), 0.0).unsqueeze(-1)
    return torch.zeros_like(logits).scatter(2, labels.clamp(0, num_classes - 1).unsqueeze(-1), values)
