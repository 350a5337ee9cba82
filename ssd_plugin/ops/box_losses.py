"""How far a predicted box is from its ground truth: smooth L1 of offsets (SSD paper, section 2.2), or the overlap of decoded boxes."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import box_area, elementwise_iou

KINDS = ('smooth_l1', 'iou', 'giou', 'diou', 'ciou')


def box_loss(
    deltas: Tensor,
    targets: Tensor,
    positive: Tensor,
    kind: str = 'smooth_l1',
    beta: float = 1.0,
    decode: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Sum over the positives of the error of the predicted offsets.

    Args:
        deltas: ``(B, P, 4)`` predicted offsets.
        targets: ``(B, P, 4)`` offsets to predict; read at positives only.
        positive: ``(B, P)`` bool.
        kind: ``'smooth_l1'``, or one of :func:`overlap_loss` between the boxes that the offsets decode to.
        beta: error at which smooth L1 turns from square to straight.
        decode: boxes in corner form from offsets, both ``(B, P, 4)``; for all kinds but ``'smooth_l1'``.

    Returns:
        Scalar.
    """
    # An error of nothing where nothing is to be predicted.
    targets = torch.where(positive.unsqueeze(-1), targets, deltas.detach())
    if kind == 'smooth_l1':
        return F.smooth_l1_loss(deltas, targets, reduction='sum', beta=beta)
    return torch.where(positive, overlap_loss(decode(deltas), decode(targets), kind), 0.0).sum()


def overlap_loss(boxes: Tensor, targets: Tensor, kind: str) -> Tensor:
    """1 - IoU, less what a kind takes off for boxes apart. torchvision has the same, with indexing by masks, which stops a GPU.

    Args:
        boxes: ``(..., 4)`` corner form, with area.
        targets: ``(..., 4)`` corner form, with area.
        kind: ``'iou'``; ``'giou'``, less the share of the enclosing box that neither covers (arXiv 1902.09630, algorithm 1);
            ``'diou'``, less the squared distance of the centres over that of the enclosing box's corners (arXiv 1911.08287, equation 7);
            ``'ciou'``, less a term for the aspect ratio, too (there, equation 10).

    Returns:
        ``(...)``, 0 for equal boxes.
    """
    iou = elementwise_iou(boxes, targets)
    if kind == 'iou':
        return 1 - iou
    tiny = torch.finfo(iou.dtype).tiny
    low, high = torch.minimum(boxes[..., :2], targets[..., :2]), torch.maximum(boxes[..., 2:], targets[..., 2:])
    if kind == 'giou':
        areas = box_area(boxes) + box_area(targets)
        union = areas / (1 + iou)
        enclosing = (high - low).prod(dim=-1).clamp(min=tiny)
        return 1 - iou + (enclosing - union) / enclosing
    apart = (boxes[..., :2] + boxes[..., 2:] - targets[..., :2] - targets[..., 2:]).square().sum(dim=-1) / 4
    distance = apart / (high - low).square().sum(dim=-1).clamp(min=tiny)
    if kind == 'diou':
        return 1 - iou + distance
    if kind == 'ciou':
        angles = [torch.atan2(b[..., 2] - b[..., 0], b[..., 3] - b[..., 1]) for b in (boxes, targets)]
        aspect = 4 / math.pi**2 * (angles[0] - angles[1]).square()
        with torch.no_grad():
            weight = aspect / (1 - iou + aspect).clamp(min=tiny)
        return 1 - iou + distance + weight * aspect
    raise ValueError(f'box_loss must be one of {KINDS}, got {kind!r}')
