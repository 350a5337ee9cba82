"""The training objective over pairs of prior and object: L = (L_loc + L_conf + L_no-match) / N, N the number of pairs."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .levels import at_least_float32, flatten_levels
from .many_to_many_matching import Pairs
from .multibox_loss import hardest


class PairLossSums(NamedTuple):
    """What one batch adds up to, before it is divided by the number of pairs; scalars."""

    cls: Tensor  # cross-entropy of each pair's prior with its object's class
    no_match: Tensor  # cross-entropy of the hard negatives with the background
    bbox: Tensor  # smooth L1 of each pair
    num_pairs: Tensor  # int64


def many_to_many_loss(
    cls_maps: Sequence[Tensor],
    box_maps: Sequence[Tensor],
    pairs: Pairs,
    labels: Tensor,
    box_targets: Tensor,
    uncounted: Tensor | None,
    num_outputs: int,
    class_order: Tensor | None = None,
    neg_pos_ratio: float = 3.0,
    beta: float = 1.0,
) -> PairLossSums:
    """Sums over the pairs, and over the hard negatives: of the priors without a pair, those with the highest confidence in any class,
    ``neg_pos_ratio`` for each pair of the image.

    Args:
        cls_maps: per level, class scores before the softmax ``(B, A * O, H, W)``, O being ``num_outputs``.
        box_maps: per level, predicted offsets ``(B, A * 4, H, W)``.
        pairs: of :func:`ssd_plugin.ops.many_to_many_matching.match_pairs`.
        labels: ``(K,)`` class of each pair's object, 0..O-2.
        box_targets: ``(K, 4)`` offsets that each pair's prior is to predict.
        uncounted: ``(B, P)`` bool, priors that are no negatives; ``None`` for none.
        num_outputs: the classes and the background.
        class_order: ``(O,)``, which output each label is; ``None`` for the order of the labels.
        neg_pos_ratio: negatives per pair.
        beta: error at which smooth L1 turns from square to straight.

    Returns:
        :class:`PairLossSums`.
    """
    scores = flatten_levels([at_least_float32(m) for m in cls_maps], num_outputs)  # (B, P, O)
    if class_order is not None:
        scores = scores[..., class_order]
    deltas = flatten_levels([at_least_float32(m) for m in box_maps], 4)
    batch, count = scores.shape[:2]
    total = scores.logsumexp(dim=-1)  # (B, P)
    place = pairs.image * count + pairs.prior  # (K,)

    cls = total.flatten()[place] - scores.flatten()[place * num_outputs + labels]
    bbox = F.smooth_l1_loss(deltas.reshape(-1, 4)[place], box_targets, reduction='none', beta=beta).sum(dim=-1)
    with torch.no_grad():
        matched = scores.new_zeros(batch * count).index_add_(0, place, pairs.valid.to(scores)).view(batch, count)
        eligible = matched == 0
        if uncounted is not None:
            eligible &= ~uncounted
        # The highest log confidence.
        negative = hardest(scores[..., :-1].amax(dim=-1) - total, eligible, neg_pos_ratio * matched.sum(dim=1))
    no_match = torch.where(negative, total - scores[..., -1], 0.0)
    return PairLossSums(
        torch.where(pairs.valid, cls, 0.0).sum(),
        no_match.sum(),
        torch.where(pairs.valid, bbox, 0.0).sum(),
        pairs.valid.sum(),
    )
