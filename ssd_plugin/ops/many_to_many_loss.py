"""The training objective over N pairs of prior and object: L = (L_loc + L_conf + L_no-match) / N."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .multibox_loss import hardest
from .predictions import Predictions
from .targets import PairTargets


class PairLossSums(NamedTuple):
    """Sums over a batch, before they are divided by the number of pairs; scalars.

    Attributes:
        cls: Cross-entropy of each pair's prior with its object's class.
        no_match: Cross-entropy of the hard negatives with the background.
        bbox: Smooth L1 of each pair.
        num_pairs: Number of pairs, int64.
    """

    cls: Tensor
    no_match: Tensor
    bbox: Tensor
    num_pairs: Tensor


def many_to_many_loss(
    predictions: Predictions, targets: PairTargets, neg_pos_ratio: float = 3.0, beta: float = 1.0
) -> PairLossSums:
    """Return the losses summed over the pairs, and over the hard negatives.

    The hard negatives of an image are the priors without a pair that have the highest confidence in any class,
    ``neg_pos_ratio`` for each pair of the image.

    Args:
        predictions: Raw outputs of the network, with a softmax over classes and background.
        targets: K pairs, with the class and offsets that the prior of each is to predict.
        neg_pos_ratio: Negatives per pair.
        beta: Threshold between the L2 and L1 regimes of smooth L1.

    Returns:
        :class:`PairLossSums`.
    """
    layout, pairs = predictions.layout, targets.pairs
    scores, deltas = predictions.logits(), predictions.deltas()  # (B, P, O), (B, P, 4)
    batch, num_priors, num_outputs = scores.shape
    total = scores.logsumexp(dim=-1)  # (B, P)
    row = pairs.image * num_priors + pairs.prior  # (K,)

    cls = total.flatten()[row] - scores.flatten()[row * num_outputs + layout.outputs_of(targets.labels)]
    bbox = F.smooth_l1_loss(deltas.reshape(-1, 4)[row], targets.deltas, reduction='none', beta=beta).sum(dim=-1)
    with torch.no_grad():
        matched = scores.new_zeros(batch * num_priors).index_add_(0, row, pairs.valid.to(scores))
        matched = matched.view(batch, num_priors)
        eligible = matched == 0
        if pairs.excluded is not None:
            eligible &= ~pairs.excluded
        log_confidence = scores[..., layout.foreground_outputs].amax(dim=-1) - total
        negative = hardest(log_confidence, eligible, neg_pos_ratio * matched.sum(dim=1))
    no_match = torch.where(negative, total - scores[..., layout.background_output], 0.0)
    return PairLossSums(
        torch.where(pairs.valid, cls, 0.0).sum(),
        no_match.sum(),
        torch.where(pairs.valid, bbox, 0.0).sum(),
        pairs.valid.sum(),
    )
