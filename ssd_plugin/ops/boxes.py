"""Boxes: overlap, and the offsets between priors and boxes that the network predicts.

Boxes are corner form (x1, y1, x2, y2) in pixels; centre form (cx, cy, w, h) appears only in this package.
"""

import math

import torch
from torch import Tensor
from torchvision.ops import box_convert

from .levels import at_least_float32

# A side shorter than this counts as this long, so that the logarithm of a box without area is finite. In pixels.
MIN_SIDE = 1e-6
# Bounds on decoded offsets: a centre moves by at most this many sides of its prior, a side grows or shrinks by at most
# this factor. Far outside what training produces, far inside float32, so that absurd offsets decode to finite boxes.
MAX_SHIFT = 1e4
MAX_RATIO = 1e8


def corners_to_centers(boxes: Tensor) -> Tensor:
    """(x1, y1, x2, y2) to (cx, cy, w, h), both ``(..., 4)``."""
    return box_convert(boxes, 'xyxy', 'cxcywh')


def centers_to_corners(boxes: Tensor) -> Tensor:
    """(cx, cy, w, h) to (x1, y1, x2, y2), both ``(..., 4)``."""
    return box_convert(boxes, 'cxcywh', 'xyxy')


def pairwise_intersection(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Area shared by each pair, in square pixels.

    Args:
        boxes1: ``(..., N, 4)``.
        boxes2: ``(..., M, 4)``; the leading dimensions broadcast.

    Returns:
        ``(..., N, M)``.
    """
    left1, top1, right1, bottom1 = boxes1.unsqueeze(-2).unbind(-1)
    # Contiguous, as every row of pairs reads them.
    left2, top2, right2, bottom2 = boxes2.unsqueeze(-3).movedim(-1, 0).contiguous()
    # One side at a time, in place: half the memory of corner pairs, and each result is written once.
    width = torch.minimum(right1, right2).sub_(torch.maximum(left1, left2)).clamp_(min=0)
    height = torch.minimum(bottom1, bottom2).sub_(torch.maximum(top1, top2)).clamp_(min=0)
    return width.mul_(height)


def box_area(boxes: Tensor) -> Tensor:
    """Area of boxes ``(..., 4)`` as ``(...)``; 0 where the corners are swapped."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def pairwise_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Jaccard overlap of each pair: intersection over union (SSD paper, section 2.2), in [0, 1].

    Arguments and result as in :func:`pairwise_intersection`. A box without area has IoU 0 with everything.
    """
    shared = pairwise_intersection(boxes1, boxes2)
    union = (box_area(boxes1).unsqueeze(-1) + box_area(boxes2).unsqueeze(-2)).sub_(shared)
    # Two boxes without area share nothing and unite to nothing: 0, not NaN.
    return shared.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))


def elementwise_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Jaccard overlap of each box ``(..., 4)`` with its partner ``(..., 4)``, as ``(...)`` in [0, 1]; 0 for two without area."""
    low, high = torch.maximum(boxes1[..., :2], boxes2[..., :2]), torch.minimum(boxes1[..., 2:], boxes2[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    union = box_area(boxes1) + box_area(boxes2) - shared
    return shared / union.clamp(min=torch.finfo(union.dtype).tiny)


def encode(priors: Tensor, boxes: Tensor, center_variance: float, size_variance: float) -> Tensor:
    """Offsets of boxes from priors: SSD paper, equation 2, over the variances of the original release.

    t_xy = (g_xy - p_xy) / p_wh / center_variance,  t_wh = log(g_wh / p_wh) / size_variance

    Args:
        priors: ``(..., 4)``, corner form in pixels, with area.
        boxes: ``(..., 4)``, corner form in pixels; a box without area gives finite offsets.
        center_variance: divides the offsets of the centre.
        size_variance: divides the logarithm of the size.

    Returns:
        ``(..., 4)`` offsets (t_x, t_y, t_w, t_h), without unit.
    """
    p, g = corners_to_centers(priors), corners_to_centers(boxes)
    shift = (g[..., :2] - p[..., :2]) / p[..., 2:] / center_variance
    growth = torch.log(g[..., 2:].clamp(min=MIN_SIDE) / p[..., 2:]) / size_variance
    return torch.cat([shift, growth], dim=-1)


def encode_matches(
    priors: Tensor, boxes: Tensor, matches: Tensor, center_variance: float, size_variance: float
) -> Tensor:
    """:func:`encode` for the box that each prior is matched to: logarithms are taken of boxes and priors, not of pairs.

    Args:
        priors: ``(P, 4)``, corner form in pixels, with area.
        boxes: ``(B, G, 4)``, corner form in pixels, G at least 1; a box without area gives finite offsets.
        matches: ``(B, P)`` index of the box, 0..G-1.
        center_variance: divides the offsets of the centre.
        size_variance: divides the logarithm of the size.

    Returns:
        ``(B, P, 4)`` offsets (t_x, t_y, t_w, t_h), without unit.
    """
    p, g = corners_to_centers(priors), corners_to_centers(boxes)
    scale = torch.cat([p[:, 2:] * center_variance, torch.full_like(p[:, 2:], size_variance)], dim=1)
    origin = torch.cat([p[:, :2], p[:, 2:].log()], dim=1)  # (P, 4)
    targets = torch.cat([g[..., :2], g[..., 2:].clamp(min=MIN_SIDE).log()], dim=-1)  # (B, G, 4)
    # Whole rows, from the boxes of all images in one list.
    start = torch.arange(len(boxes), device=boxes.device).unsqueeze(1) * boxes.shape[1]
    rows = targets.flatten(0, 1).index_select(0, (matches + start).flatten())
    return rows.view(*matches.shape, 4).sub_(origin).div_(scale)


def decode(priors: Tensor, deltas: Tensor, center_variance: float, size_variance: float) -> Tensor:
    """Boxes from priors and predicted offsets: the inverse of :func:`encode`.

    Args:
        priors: ``(..., 4)``, corner form in pixels; broadcasts against ``deltas``.
        deltas: ``(..., 4)`` offsets. Computed in float32 at least. Offsets of any size, infinite ones too, decode to
            finite boxes.

    Returns:
        ``(..., 4)``, corner form in pixels.
    """
    deltas = at_least_float32(deltas)
    p = corners_to_centers(priors)
    shift = (deltas[..., :2] * center_variance).clamp(-MAX_SHIFT, MAX_SHIFT)
    growth = (deltas[..., 2:] * size_variance).clamp(-math.log(MAX_RATIO), math.log(MAX_RATIO))
    center = p[..., :2] + shift * p[..., 2:]
    return centers_to_corners(torch.cat([center, growth.exp() * p[..., 2:]], dim=-1))


def clip_to_image(boxes: Tensor, height: Tensor | float, width: Tensor | float) -> Tensor:
    """Boxes ``(..., 4)`` cut at the borders of an image of ``height`` x ``width`` pixels (numbers, or tensors that broadcast)."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    width = torch.as_tensor(width, dtype=boxes.dtype, device=boxes.device)
    height = torch.as_tensor(height, dtype=boxes.dtype, device=boxes.device)
    zero = boxes.new_zeros(())
    return torch.stack(
        [x1.clamp(zero, width), y1.clamp(zero, height), x2.clamp(zero, width), y2.clamp(zero, height)], dim=-1
    )
