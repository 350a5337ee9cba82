"""Overlaps of boxes, and the offsets between priors and boxes that the network predicts.

Boxes are xyxy in pixels: (x1, y1, x2, y2). cxcywh, (cx, cy, w, h), appears only in :mod:`ssd_plugin.ops`.
"""

import math

import torch
from torch import Tensor
from torchvision.ops import box_convert

from .levels import at_least_float32

# Shorter sides are encoded as this length in pixels, which keeps the logarithm of a box without area finite.
MIN_SIDE = 1e-6
# Bounds on decoded offsets: the largest move of a center, in sides of its prior, and the largest factor by which a side
# grows or shrinks. Training stays far below them, and float32 reaches far beyond: absurd offsets decode to finite
# boxes.
MAX_SHIFT = 1e4
MAX_RATIO = 1e8


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Convert boxes ``(..., 4)`` from (x1, y1, x2, y2) to (cx, cy, w, h)."""
    return box_convert(boxes, 'xyxy', 'cxcywh')


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Convert boxes ``(..., 4)`` from (cx, cy, w, h) to (x1, y1, x2, y2)."""
    return box_convert(boxes, 'cxcywh', 'xyxy')


def pairwise_intersection(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the intersection area of each pair of boxes, in square pixels.

    Args:
        boxes1: ``(..., N, 4)`` xyxy in pixels.
        boxes2: ``(..., M, 4)`` xyxy in pixels. The leading dimensions broadcast.

    Returns:
        ``(..., N, M)``.
    """
    left1, top1, right1, bottom1 = boxes1.unsqueeze(-2).unbind(-1)
    # Contiguous, because every row of pairs reads them.
    left2, top2, right2, bottom2 = boxes2.unsqueeze(-3).movedim(-1, 0).contiguous()
    # One side at a time and in place: half the memory of pairs of corners, and each result is written once.
    width = torch.minimum(right1, right2).sub_(torch.maximum(left1, left2)).clamp_(min=0)
    height = torch.minimum(bottom1, bottom2).sub_(torch.maximum(top1, top2)).clamp_(min=0)
    return width.mul_(height)


def box_area(boxes: Tensor) -> Tensor:
    """Return the area of boxes ``(..., 4)`` as ``(...)``, 0 where the corners are swapped."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def pairwise_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the IoU (Jaccard overlap; SSD paper, section 2.2) of each pair of boxes, in [0, 1].

    Args:
        boxes1: ``(..., N, 4)`` xyxy in pixels.
        boxes2: ``(..., M, 4)`` xyxy in pixels. The leading dimensions broadcast.

    Returns:
        ``(..., N, M)``. A box without area has an IoU of 0 with every box.
    """
    intersection = pairwise_intersection(boxes1, boxes2)
    union = (box_area(boxes1).unsqueeze(-1) + box_area(boxes2).unsqueeze(-2)).sub_(intersection)
    # 0/0, of two boxes without area, is defined as an IoU of 0.
    return intersection.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))


def elementwise_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Return the IoU of each box ``(..., 4)`` with the box ``(..., 4)`` at the same index, as ``(...)`` in [0, 1].

    It is 0 where neither box has an area.
    """
    low, high = torch.maximum(boxes1[..., :2], boxes2[..., :2]), torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    intersection = (high - low).clamp(min=0).prod(dim=-1)
    union = box_area(boxes1) + box_area(boxes2) - intersection
    return intersection / union.clamp(min=torch.finfo(union.dtype).tiny)


def encode(priors: Tensor, boxes: Tensor, center_variance: float, size_variance: float) -> Tensor:
    """Return the offsets of boxes from priors: SSD paper, equation 2, over the variances of the original release.

    t_xy = (g_xy - p_xy) / p_wh / center_variance,  t_wh = log(g_wh / p_wh) / size_variance

    Args:
        priors: ``(..., 4)`` xyxy in pixels, each with a positive area.
        boxes: ``(..., 4)`` xyxy in pixels. A box without area gives finite offsets.
        center_variance: Divisor of the offsets of the center.
        size_variance: Divisor of the logarithms of the size.

    Returns:
        ``(..., 4)`` offsets (t_x, t_y, t_w, t_h), dimensionless.
    """
    p, g = xyxy_to_cxcywh(priors), xyxy_to_cxcywh(boxes)
    shift = (g[..., :2] - p[..., :2]) / p[..., 2:] / center_variance
    growth = torch.log(g[..., 2:].clamp(min=MIN_SIDE) / p[..., 2:]) / size_variance
    return torch.cat([shift, growth], dim=-1)


def encode_matches(
    priors: Tensor, boxes: Tensor, matches: Tensor, center_variance: float, size_variance: float
) -> Tensor:
    """Return the offsets of each prior's matched box, as :func:`encode` gives them.

    Logarithms are computed once per box and once per prior instead of once per matched pair.

    Args:
        priors: ``(P, 4)`` xyxy in pixels, each with a positive area.
        boxes: ``(B, G, 4)`` xyxy in pixels, G at least 1. A box without area gives finite offsets.
        matches: ``(B, P)`` index of the matched box, 0..G-1.
        center_variance: Divisor of the offsets of the center.
        size_variance: Divisor of the logarithms of the size.

    Returns:
        ``(B, P, 4)`` offsets (t_x, t_y, t_w, t_h), dimensionless.
    """
    p, g = xyxy_to_cxcywh(priors), xyxy_to_cxcywh(boxes)
    scale = torch.cat([p[:, 2:] * center_variance, torch.full_like(p[:, 2:], size_variance)], dim=1)
    origin = torch.cat([p[:, :2], p[:, 2:].log()], dim=1)  # (P, 4)
    targets = torch.cat([g[..., :2], g[..., 2:].clamp(min=MIN_SIDE).log()], dim=-1)  # (B, G, 4)
    # One gather of rows of 4 from the boxes of all images.
    start = torch.arange(len(boxes), device=boxes.device).unsqueeze(1) * boxes.shape[1]
    rows = targets.flatten(0, 1).index_select(0, (matches + start).flatten())
    return rows.view(*matches.shape, 4).sub_(origin).div_(scale)


def decode(priors: Tensor, deltas: Tensor, center_variance: float, size_variance: float) -> Tensor:
    """Return the boxes that offsets from priors stand for: the inverse of :func:`encode`.

    Args:
        priors: ``(..., 4)`` xyxy in pixels; broadcasts against ``deltas``.
        deltas: ``(..., 4)`` offsets. Those of any magnitude, even infinite ones, decode to finite boxes.
        center_variance: Divisor of the offsets of the center.
        size_variance: Divisor of the logarithms of the size.

    Returns:
        ``(..., 4)`` xyxy in pixels, in float32 or wider.
    """
    deltas = at_least_float32(deltas)
    p = xyxy_to_cxcywh(priors)
    shift = (deltas[..., :2] * center_variance).clamp(-MAX_SHIFT, MAX_SHIFT)
    growth = (deltas[..., 2:] * size_variance).clamp(-math.log(MAX_RATIO), math.log(MAX_RATIO))
    center = p[..., :2] + shift * p[..., 2:]
    return cxcywh_to_xyxy(torch.cat([center, growth.exp() * p[..., 2:]], dim=-1))


def clip_to_image(boxes: Tensor, height: Tensor | float, width: Tensor | float) -> Tensor:
    """Clip boxes to the image.

    Args:
        boxes: ``(..., 4)`` xyxy in pixels.
        height: Height of the image in pixels: a number, or a tensor that broadcasts against ``(...)``.
        width: Width of the image, in the same form.

    Returns:
        ``(..., 4)`` xyxy in pixels.
    """
    x1, y1, x2, y2 = boxes.unbind(-1)
    width = torch.as_tensor(width, dtype=boxes.dtype, device=boxes.device)
    height = torch.as_tensor(height, dtype=boxes.dtype, device=boxes.device)
    zero = boxes.new_zeros(())
    return torch.stack(
        [x1.clamp(zero, width), y1.clamp(zero, height), x2.clamp(zero, width), y2.clamp(zero, height)], dim=-1
    )
