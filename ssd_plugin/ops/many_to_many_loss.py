"""The training objective over pairs of prior and object: L_loc + L_conf + L_no-match."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .multibox_loss import hardest
from .predictions import Predictions
from .targets import PairTargets

# Terms of the hard negatives.
NO_MATCH = ('background', 'best_class')


class PairLossSums(NamedTuple):
    """Sums over a batch, before they are divided by the number of pairs; scalars.

    Attributes:
        cls: Cross-entropy of each pair's prior with its object's class.
        no_match: Loss of the hard negatives.
        bbox: Smooth L1 of each pair.
        num_pairs: Number of pairs, int64.
    """

    cls: Tensor
    no_match: Tensor
    bbox: Tensor
    num_pairs: Tensor


def many_to_many_loss(
    predictions: Predictions,
    targets: PairTargets,
    neg_pos_ratio: float = 3.0,
    beta: float = 1.0,
    no_match: str = 'background',
) -> PairLossSums:
    """Return the losses summed over the pairs, and over the hard negatives.

    The hard negatives of an image are the priors without a pair that have the highest confidence in any class,
    ``neg_pos_ratio`` for each pair of the image.

    Args:
        predictions: Raw outputs of the network, with a softmax over classes and background.
        targets: K pairs, with the class and offsets that the prior of each is to predict.
        neg_pos_ratio: Negatives per pair.
        beta: Threshold between the L2 and L1 regimes of smooth L1.
        no_match: Loss of a hard negative: ``'background'``, the cross-entropy with the background, or
            ``'best_class'``, log(1 + c_max / sum(c)), where c_max is the highest class score of the prior and the sum
            is over all its scores, background included: c_max / sum(c) is the highest confidence in any class.

    Returns:
        :class:`PairLossSums`.

    Raises:
        ValueError: ``no_match`` is unknown.
    """
    if no_match not in NO_MATCH:
        raise ValueError(f'no_match must be one of {NO_MATCH}, got {no_match!r}')
    layout, pairs = predictions.layout, targets.pairs
    scores, deltas = predictions.logits(), predictions.deltas()  # (B, P, O), (B, P, 4)
    batch, num_priors, num_outputs = scores.shape
    total = scores.logsumexp(dim=-1)  # (B, P)
    row = pairs.image * num_priors + pairs.prior  # (K,)

    cls = total.flatten()[row] - scores.flatten()[row * num_outputs + layout.outputs_of(targets.labels)]
    bbox = F.smooth_l1_loss(deltas.reshape(-1, 4)[row], targets.deltas, reduction='none', beta=beta).sum(dim=-1)
    log_confidence = scores[..., layout.foreground_outputs].amax(dim=-1) - total  # (B, P)
    with torch.no_grad():
        matched = scores.new_zeros(batch * num_priors).index_add_(0, row, pairs.valid.to(scores))
        matched = matched.view(batch, num_priors)
        eligible = matched == 0
        if pairs.excluded is not None:
            eligible &= ~pairs.excluded
        negative = hardest(log_confidence, eligible, neg_pos_ratio * matched.sum(dim=1))
    if no_match == 'background':
        negative_losses = total - scores[..., layout.background_output]
    else:
        # Softplus of a logarithm is the logarithm of 1 + its argument.
        negative_losses = F.softplus(log_confidence)
    return PairLossSums(
        torch.where(pairs.valid, cls, 0.0).sum(),
        torch.where(negative, negative_losses, 0.0).sum(),
        torch.where(pairs.valid, bbox, 0.0).sum(),
        pairs.valid.sum(),
    )
