"""Best IoU of objects with the priors of a level, from the shapes of one cell instead of all priors.

On a level every cell has the same shapes, and the IoU of two boxes of given sizes never rises with the distance of
their centers, in x or in y. The best of a shape's priors is therefore the one in the cell nearest to the object.
"""

import torch
from torch import Tensor

from .boxes import xyxy_to_cxcywh


def nearest_cell_offsets(boxes: Tensor, featmap_size: tuple[int, int], step: tuple[float, float]) -> Tensor:
    """Return the distance of each box's center from the center of the nearest cell.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels.
        featmap_size: (height, width) of the feature map in cells.
        step: (x, y) distance between cells in pixels.

    Returns:
        ``(N, 2)`` distances in x and y, in pixels, not negative.
    """
    centers = xyxy_to_cxcywh(boxes)[:, :2]
    steps = centers.new_tensor(step)
    last = centers.new_tensor([featmap_size[1] - 1, featmap_size[0] - 1])
    cells = torch.minimum((centers / steps).floor().clamp(min=0), last)
    return (centers - (cells + 0.5) * steps).abs()


def nearest_prior_iou(sizes: Tensor, offsets: Tensor, shapes: Tensor) -> Tensor:
    """Return the highest IoU of each box with the priors of each shape, none of which is clipped.

    Args:
        sizes: ``(N, 2)`` widths and heights of the boxes in pixels.
        offsets: ``(N, 2)`` result of :func:`nearest_cell_offsets`.
        shapes: ``(A, 2)`` widths and heights of the priors of a cell in pixels, positive.

    Returns:
        ``(N, A)``, 0 for a box without area.
    """
    # A side at a time: (N, A) for both is several times as fast as a last dimension of 2.
    width, height = (_overlap(sizes[:, side, None], offsets[:, side, None], shapes[:, side]) for side in (0, 1))
    intersection = width.mul_(height)
    return intersection / (sizes.prod(dim=1, keepdim=True) + shapes.prod(dim=1) - intersection)


def _overlap(side: Tensor, offset: Tensor, other: Tensor) -> Tensor:
    """Return the overlap of intervals of lengths ``side`` and ``other`` whose centers are ``offset`` apart."""
    # They reach beyond each other on one side, or one lies inside the other.
    reach = ((side + other) / 2).sub_(offset)
    return torch.minimum(reach, torch.minimum(side, other)).clamp_(min=0)
