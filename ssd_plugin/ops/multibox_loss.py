"""The training objective: SSD paper, section 2.2, "Training objective" and "Hard negative mining".

No value is read back from the device, and no list of priors is made: every prior is computed, and a mask says which count.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .box_losses import box_loss as box_errors
from .levels import at_least_float32, flatten_levels

# A float32 is a sign and 31 bits; the hardest priors are found by this many of them at a time.
DIGITS = (11, 11, 10)


class LossSums(NamedTuple):
    """What one batch adds up to, before it is divided by the number of positives."""

    cls: Tensor  # scalar: cross-entropy over positives and mined negatives
    bbox: Tensor  # scalar: errors of the boxes over positives
    num_positives: Tensor  # scalar, int64


def multibox_loss(
    cls_maps: Sequence[Tensor],
    box_maps: Sequence[Tensor],
    labels: Tensor,
    box_targets: Tensor,
    num_outputs: int,
    class_order: Tensor | None = None,
    neg_pos_ratio: float = 3.0,
    beta: float = 1.0,
    mining: str = 'background',
    negatives_if_empty: int = 0,
    box_loss: str = 'smooth_l1',
    decode: Callable[[Tensor], Tensor] | None = None,
) -> LossSums:
    """Cross-entropy with hard-negative mining, and the error of the boxes, summed over the batch. All in float32 at least.

    Args:
        cls_maps: per level, class scores before the softmax ``(B, A * K, H, W)``, A the priors of a cell and K ``num_outputs``.
        box_maps: per level, predicted offsets ``(B, A * 4, H, W)``.
        labels: ``(B, P)`` int64: K - 1 for background, 0..K-2 for positives, below 0 for priors that do not count.
        box_targets: ``(B, P, 4)`` offsets to predict; read at positives only.
        num_outputs: K, the classes and the background.
        class_order: ``(K,)``, which output each label is; ``None`` for the order of the labels.
        neg_pos_ratio: negatives per positive, in each image.
        beta: error at which smooth L1 turns from square to straight.
        mining: what makes a negative hard: ``'background'``, the cross-entropy of its background class (original release), or
            ``'foreground'``, its highest confidence in any other class.
        negatives_if_empty: negatives mined from an image without positives.
        box_loss: error of the boxes; see :func:`ssd_plugin.ops.box_losses.box_loss`.
        decode: boxes from offsets, for a ``box_loss`` by overlap.

    Returns:
        :class:`LossSums`.
    """
    background = labels == num_outputs - 1
    positive = (labels >= 0) & ~background
    outputs = labels.clamp(min=0)
    losses = cross_entropy(cls_maps, outputs if class_order is None else class_order[outputs], num_outputs)  # (B, P)
    with torch.no_grad():
        num_positive = positive.sum(dim=1)  # (B,)
        num_negative = torch.where(num_positive > 0, neg_pos_ratio * num_positive, negatives_if_empty)
        hardness = hardness_of_background(losses, cls_maps, num_outputs, class_order, mining)
        counted = positive | hardest(hardness, background, num_negative)

    loss_cls = torch.where(counted, losses, 0.0).sum()
    deltas = flatten_levels([at_least_float32(m) for m in box_maps], 4)
    loss_bbox = box_errors(deltas, box_targets, positive, box_loss, beta, decode)
    return LossSums(loss_cls, loss_bbox, num_positive.sum())


def cross_entropy(maps: Sequence[Tensor], outputs: Tensor, num_outputs: int) -> Tensor:
    """-log softmax of one output of each prior.

    Computed on the maps as they lie in memory, which spares the copy of all scores into the order of the priors.

    Args:
        maps: per level, scores before the softmax ``(B, A * K, H, W)``.
        outputs: ``(B, P)`` int64, 0..K-1.
        num_outputs: K.

    Returns:
        ``(B, P)``, in float32 at least.
    """
    sizes = [m[0].numel() // num_outputs for m in maps]
    return torch.cat(
        [_cross_entropy(m, part, num_outputs) for m, part in zip(maps, outputs.split(sizes, dim=1))], dim=1
    )


def _cross_entropy(scores: Tensor, outputs: Tensor, num_outputs: int) -> Tensor:
    batch, channels, height, width = scores.shape
    scores = at_least_float32(scores)
    if not scores.is_contiguous():  # channels last: the outputs of a prior are neighbours
        rows = scores.permute(0, 2, 3, 1).reshape(-1, num_outputs)
        return F.cross_entropy(rows, outputs.reshape(-1), reduction='none').view(batch, -1)
    priors, cells = channels // num_outputs, height * width
    outputs = outputs.reshape(batch, cells, priors).transpose(1, 2).reshape(batch * priors, cells)
    losses = F.cross_entropy(scores.view(batch * priors, num_outputs, cells), outputs, reduction='none')
    return losses.view(batch, priors, cells).transpose(1, 2).reshape(batch, -1)


def hardness_of_background(
    losses: Tensor, cls_maps: Sequence[Tensor], num_outputs: int, class_order: Tensor | None, mining: str
) -> Tensor:
    """How hard each background prior is as a negative, ``(B, P)``; see ``mining`` in :func:`multibox_loss`.

    Args:
        losses: ``(B, P)`` cross-entropy of each prior with its label, which is the background where the result counts.
        cls_maps: per level, scores before the softmax.
        num_outputs: K.
        class_order: which output each label is.
        mining: ``'background'`` or ``'foreground'``.
    """
    if mining == 'background':
        return losses
    if mining == 'foreground':
        scores = flatten_levels([at_least_float32(m) for m in cls_maps], num_outputs)
        if class_order is not None:
            scores = scores[..., class_order]
        # The highest log confidence: score - log sum exp, and the loss is log sum exp - score of the background.
        return scores[..., :-1].amax(dim=-1) - (losses + scores[..., -1])
    raise ValueError(f"mining must be 'background' or 'foreground', got {mining!r}")


def hardest(hardness: Tensor, eligible: Tensor, count: Tensor) -> Tensor:
    """Mask of the ``count`` hardest eligible priors of each image; of equals the first.

    Not by sorting: the value of the last one to take is found digit by digit of its bits (radix select), from histograms.

    Args:
        hardness: ``(B, P)``.
        eligible: ``(B, P)`` bool.
        count: ``(B,)``; where fewer are eligible, all of them.

    Returns:
        ``(B, P)`` bool.
    """
    # Adding 0 makes -0 and 0 the same bits.
    key = _ordered_bits(hardness.float() + 0.0).masked_fill(~eligible, torch.iinfo(torch.int32).min)
    wanted = count.long().unsqueeze(1)  # (B, 1)
    shift, prefix = 32, None
    for bits in DIGITS:
        shift -= bits
        digits = key >> shift
        # The first digit has the sign.
        digit = (digits + 2 ** (bits - 1) if prefix is None else digits & (2**bits - 1)).long()
        among = torch.ones_like(key) if prefix is None else (digits >> bits == prefix).int()
        # How many among those with the digits found so far have this digit or a higher one.
        histogram = key.new_zeros(len(key), 2**bits + 1).scatter_add(1, digit, among)
        reached = histogram.flip(1).cumsum(dim=1).flip(1)  # (B, 2**bits + 1), the last is 0
        found = (reached[:, :-1] >= wanted).sum(dim=1, keepdim=True).sub(1).clamp(min=0)
        wanted = wanted - reached.gather(1, found + 1)
        prefix = (found - 2 ** (bits - 1) if prefix is None else (prefix << bits) + found).int()
    above, equal = key > prefix, key == prefix
    return (above | (equal & (equal.cumsum(dim=1) <= wanted))) & eligible


def _ordered_bits(values: Tensor) -> Tensor:
    """Integers in the order of float32 values: negative ones have their bits, but for the sign, turned over."""
    bits = values.contiguous().view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
