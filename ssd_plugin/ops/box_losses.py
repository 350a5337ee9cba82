"""Box losses: smooth L1 of the offsets (SSD paper, section 2.2), or 1 - IoU of the decoded boxes and its variants."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .boxes import box_area, elementwise_iou
from .predictions import Predictions

KINDS = ('smooth_l1', 'iou', 'giou', 'diou', 'ciou')


def check_kind(kind: str) -> None:
    """Check that a box loss is known.

    Raises:
        ValueError: It is not.
    """
    if kind not in KINDS:
        raise ValueError(f'box_loss must be one of {KINDS}, got {kind!r}')


def box_loss(
    predictions: Predictions,
    deltas: Tensor,
    targets: Tensor,
    positive: Tensor,
    kind: str = 'smooth_l1',
    beta: float = 1.0,
) -> Tensor:
    """Return the error of the predicted offsets, summed over the positives.

    Args:
        predictions: Raw outputs of the network, which decode offsets to boxes.
        deltas: ``(B, P, 4)`` predicted offsets.
        targets: ``(B, P, 4)`` offsets to predict; read at positives only.
        positive: ``(B, P)`` bool.
        kind: ``'smooth_l1'``, or one of :func:`overlap_loss` between the boxes that the offsets decode to.
        beta: Threshold between the L2 and L1 regimes of smooth L1.

    Returns:
        Scalar.

    Raises:
        ValueError: ``kind`` is unknown.
    """
    # No loss and no gradient where a prior is not positive.
    targets = torch.where(positive.unsqueeze(-1), targets, deltas.detach())
    if kind == 'smooth_l1':
        return F.smooth_l1_loss(deltas, targets, reduction='sum', beta=beta)
    overlaps = overlap_loss(predictions.decode(deltas), predictions.decode(targets), kind)
    return torch.where(positive, overlaps, 0.0).sum()


def overlap_loss(boxes: Tensor, targets: Tensor, kind: str) -> Tensor:
    """Return 1 - IoU of each pair of boxes, plus the penalty of the chosen variant for boxes apart.

    torchvision has the same losses but indexes by masks, which synchronizes a GPU with the host.

    Args:
        boxes: ``(..., 4)`` xyxy, with area.
        targets: ``(..., 4)`` xyxy, with area.
        kind: ``'iou'``; ``'giou'``, which adds the fraction of the enclosing box that neither covers (arXiv 1902.09630,
            algorithm 1); ``'diou'``, which adds the squared distance of the centers over the squared diagonal of the
            enclosing box (arXiv 1911.08287, equation 7); ``'ciou'``, which also adds a term for the aspect ratio
            (there, equation 10).

    Returns:
        ``(...)``, 0 for equal boxes.

    Raises:
        ValueError: ``kind`` is unknown.
    """
    check_kind(kind)
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
    angles = [torch.atan2(b[..., 2] - b[..., 0], b[..., 3] - b[..., 1]) for b in (boxes, targets)]
    aspect = 4 / math.pi**2 * (angles[0] - angles[1]).square()
    with torch.no_grad():
        weight = aspect / (1 - iou + aspect).clamp(min=tiny)
    return 1 - iou + distance + weight * aspect
