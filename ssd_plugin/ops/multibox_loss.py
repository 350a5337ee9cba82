"""The training objective: SSD paper, section 2.2, "Training objective" and "Hard negative mining"."""
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class LossSums(NamedTuple):
    """What one batch adds up to, before it is divided by the number of positives."""
    cls: Tensor  # scalar: cross-entropy over positives and mined negatives
    bbox: Tensor  # scalar: smooth L1 over positives
    num_positives: Tensor  # scalar, int64


def multibox_loss(logits: Tensor,
                  deltas: Tensor,
                  labels: Tensor,
                  box_targets: Tensor,
                  neg_pos_ratio: float = 3.,
                  beta: float = 1.,
                  mining: str = 'background',
                  negatives_if_empty: int = 0) -> LossSums:
    """Cross-entropy with hard-negative mining, and smooth L1, summed over the batch. All in float32.

    Args:
        logits: ``(B, P, C + 1)`` class scores before the softmax; the background is class C.
        deltas: ``(B, P, 4)`` predicted offsets.
        labels: ``(B, P)`` int64: 0..C-1 for positives, C for background, below 0 for priors that do not count.
        box_targets: ``(B, P, 4)`` offsets to predict; read at positives only.
        neg_pos_ratio: negatives per positive, in each image.
        beta: error at which smooth L1 turns from square to straight.
        mining: what makes a negative hard: ``'background'``, the cross-entropy of its background class (original release), or
            ``'foreground'``, its highest confidence in any other class.
        negatives_if_empty: negatives mined from an image without positives.

    Returns:
        :class:`LossSums`.
    """
    logits, deltas = logits.float(), deltas.float()
    background_class = logits.shape[-1] - 1
    positive = (labels >= 0) & (labels < background_class)
    background = labels == background_class
    log_norm = logits.logsumexp(dim=-1)  # (B, P)
    cross_entropy = log_norm - logits.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)

    with torch.no_grad():
        hardness = hardness_of_negatives(logits, log_norm, mining)
        num_positive = positive.sum(dim=1)  # (B,)
        num_negative = torch.where(num_positive > 0, neg_pos_ratio * num_positive, negatives_if_empty)
        negative = hardest(hardness, background, num_negative)

    loss_cls = torch.where(positive | negative, cross_entropy, 0.).sum()
    error = torch.where(positive.unsqueeze(-1), deltas - box_targets, 0.)
    loss_bbox = F.smooth_l1_loss(error, torch.zeros_like(error), reduction='sum', beta=beta)
    return LossSums(loss_cls, loss_bbox, num_positive.sum())


def hardness_of_negatives(logits: Tensor, log_norm: Tensor, mining: str) -> Tensor:
    """How hard each prior is as a negative, ``(B, P)``; see ``mining`` in :func:`multibox_loss`."""
    if mining == 'background':
        return log_norm - logits[..., -1]
    if mining == 'foreground':
        return logits[..., :-1].amax(dim=-1) - log_norm
    raise ValueError(f"mining must be 'background' or 'foreground', got {mining!r}")


def hardest(hardness: Tensor, eligible: Tensor, count: Tensor) -> Tensor:
    """Mask of the ``count`` hardest eligible priors of each image; of equals the first. No length is read back from the device.

    Args:
        hardness: ``(B, P)``.
        eligible: ``(B, P)`` bool.
        count: ``(B,)``; where fewer are eligible, all of them.

    Returns:
        ``(B, P)`` bool.
    """
    order = hardness.masked_fill(~eligible, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    wanted = torch.arange(hardness.shape[1], device=hardness.device) < count.unsqueeze(1)
    return torch.zeros_like(eligible).scatter(1, order, wanted) & eligible
