"""The training objective: SSD paper, section 2.2, "Training objective" and "Hard negative mining".

The loss of every prior is computed and a mask selects those that count, so no value is read back from the device.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .box_losses import box_loss as box_loss_sum
from .levels import at_least_float32
from .predictions import Predictions
from .targets import PriorTargets

# A float32 is a sign and 31 bits; mining finds its threshold by this many bits at a time.
DIGITS = (11, 11, 10)
MINING = ('background', 'foreground')


class LossSums(NamedTuple):
    """Sums over a batch, before they are divided by the number of positives; scalars.

    Attributes:
        cls: Cross-entropy over positives and mined negatives.
        bbox: Box errors over positives.
        num_positives: Number of positives, int64.
        num_counted: Number of positives and mined negatives, int64.
    """

    cls: Tensor
    bbox: Tensor
    num_positives: Tensor
    num_counted: Tensor


def multibox_loss(
    predictions: Predictions,
    targets: PriorTargets,
    neg_pos_ratio: float = 3.0,
    beta: float = 1.0,
    mining: str = 'background',
    negatives_if_empty: int = 0,
    box_loss: str = 'smooth_l1',
) -> LossSums:
    """Return cross-entropy with hard-negative mining and the box loss, summed over the batch in float32 or wider.

    Args:
        predictions: Raw outputs of the network, with a softmax over classes and background.
        targets: Labels and offsets that the priors are to predict.
        neg_pos_ratio: Negatives per positive, in each image.
        beta: Threshold between the L2 and L1 regimes of smooth L1.
        mining: Hardness of a negative: ``'background'``, the cross-entropy of its background class (original
            release), or ``'foreground'``, its highest confidence in any other class.
        negatives_if_empty: Negatives mined from an image without positives.
        box_loss: Error of the boxes; see :func:`ssd_plugin.ops.box_losses.box_loss`.

    Returns:
        :class:`LossSums`.

    Raises:
        ValueError: ``mining`` or ``box_loss`` is unknown.
    """
    num_classes = predictions.layout.num_classes
    background = targets.labels == num_classes
    positive = targets.positive(num_classes)
    outputs = predictions.layout.outputs_of(targets.labels.clamp(min=0))
    losses = cross_entropy(predictions.cls_maps, outputs, predictions.layout.num_outputs)  # (B, P)
    with torch.no_grad():
        num_positive = positive.sum(dim=1)  # (B,)
        num_negative = torch.where(num_positive > 0, neg_pos_ratio * num_positive, negatives_if_empty)
        hardness = background_hardness(losses, predictions, mining)
        counted = positive | hardest(hardness, background, num_negative)

    loss_cls = torch.where(counted, losses, 0.0).sum()
    loss_bbox = box_loss_sum(predictions, predictions.deltas(), targets.deltas, positive, box_loss, beta)
    return LossSums(loss_cls, loss_bbox, num_positive.sum(), counted.sum())


def cross_entropy(maps: Sequence[Tensor], outputs: Tensor, num_outputs: int) -> Tensor:
    """Return -log softmax of one output of each prior.

    Computed on the maps as they lie in memory, which saves copying all scores into the order of the priors.

    Args:
        maps: Per level, scores before the softmax ``(B, A * K, H, W)``.
        outputs: ``(B, P)`` int64, 0..K-1.
        num_outputs: K.

    Returns:
        ``(B, P)``, in float32 or wider.
    """
    sizes = [m[0].numel() // num_outputs for m in maps]
    parts = outputs.split(sizes, dim=1)
    return torch.cat([_cross_entropy(m, part, num_outputs) for m, part in zip(maps, parts)], dim=1)


def _cross_entropy(scores: Tensor, outputs: Tensor, num_outputs: int) -> Tensor:
    batch, channels, height, width = scores.shape
    scores = at_least_float32(scores)
    if not scores.is_contiguous():  # channels last: the outputs of a prior are adjacent
        rows = scores.permute(0, 2, 3, 1).reshape(-1, num_outputs)
        return F.cross_entropy(rows, outputs.reshape(-1), reduction='none').view(batch, -1)
    priors, cells = channels // num_outputs, height * width
    outputs = outputs.reshape(batch, cells, priors).transpose(1, 2).reshape(batch * priors, cells)
    losses = F.cross_entropy(scores.view(batch * priors, num_outputs, cells), outputs, reduction='none')
    return losses.view(batch, priors, cells).transpose(1, 2).reshape(batch, -1)


def background_hardness(losses: Tensor, predictions: Predictions, mining: str) -> Tensor:
    """Return the hardness of each background prior as a negative, ``(B, P)``; see ``mining`` in :func:`multibox_loss`.

    Args:
        losses: ``(B, P)`` cross-entropy of each prior with its label, which is the background where the result is used.
        predictions: Raw outputs of the network.
        mining: ``'background'`` or ``'foreground'``.

    Raises:
        ValueError: ``mining`` is neither.
    """
    if mining == 'background':
        return losses
    if mining == 'foreground':
        scores, layout = predictions.logits(), predictions.layout
        best = scores[..., layout.foreground_outputs].amax(dim=-1)
        # The highest log confidence: logit - logsumexp, where the loss is logsumexp - background logit.
        return best - (losses + scores[..., layout.background_output])
    raise ValueError(f'mining must be one of {MINING}, got {mining!r}')


def hardest(hardness: Tensor, eligible: Tensor, count: Tensor) -> Tensor:
    """Return a mask of the ``count`` hardest eligible priors of each image; ties go to the lower index.

    Without sorting: the value of the last prior to take is found digit by digit from histograms (radix select).

    Args:
        hardness: ``(B, P)``, higher is harder.
        eligible: ``(B, P)`` bool.
        count: ``(B,)``; if fewer are eligible, all of them are taken.

    Returns:
        ``(B, P)`` bool.
    """
    # Adding 0 turns -0 into 0, whose bits differ.
    key = _ordered_bits(hardness.float() + 0.0).masked_fill(~eligible, torch.iinfo(torch.int32).min)
    wanted = count.long().unsqueeze(1)  # (B, 1)
    shift = 32
    prefix: Tensor | None = None
    for bits in DIGITS:
        shift -= bits
        digits = key >> shift
        # The first digit contains the sign.
        digit = (digits + 2 ** (bits - 1) if prefix is None else digits & (2**bits - 1)).long()
        among = torch.ones_like(key) if prefix is None else (digits >> bits == prefix).int()
        # Priors, among those with the digits found so far, that have this digit or a higher one.
        histogram = key.new_zeros(len(key), 2**bits + 1).scatter_add(1, digit, among)
        reached = histogram.flip(1).cumsum(dim=1).flip(1)  # (B, 2**bits + 1), the last is 0
        found = (reached[:, :-1] >= wanted).sum(dim=1, keepdim=True).sub(1).clamp(min=0)
        wanted = wanted - reached.gather(1, found + 1)
        prefix = (found - 2 ** (bits - 1) if prefix is None else (prefix << bits) + found).int()
    assert prefix is not None
    above, equal = key > prefix, key == prefix
    return (above | (equal & (equal.cumsum(dim=1) <= wanted))) & eligible


def _ordered_bits(values: Tensor) -> Tensor:
    """Return integers that order like float32 values: all bits but the sign are inverted for negative values."""
    bits = values.contiguous().view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
