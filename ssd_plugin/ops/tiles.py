"""Windows of large images, and the detections of an image from those in its windows.

A window is xyxy in pixels of the image. Its inner borders are those inside the image: objects are cut there.
"""

import math

import torch
from torch import Tensor

from .boxes import box_area, pairwise_intersection
from .candidates import Candidates
from .detections import Detections, suppress

# Distance to an inner border, as a fraction of the window's side, below which a box is taken to be cut there: the
# network misses the edge of what it sees by about as much.
BORDER = 0.05
# Part of the smaller of two boxes, one of them cut, that the other one covers if both show one object.
SAME_OBJECT = 0.5


def tile_windows(size: tuple[int, int], tile: tuple[int, int], overlap: float) -> Tensor:
    """Return overlapping windows of one size that cover an image.

    Windows are spread evenly from border to border, and their number is the lowest that overlaps enough. Where an image
    is smaller than a window, the one window there starts at 0 and reaches beyond the image.

    Args:
        size: (width, height) of the image in pixels.
        tile: (width, height) of the windows in pixels.
        overlap: Lowest overlap of neighboring windows as a fraction of their side, at least 0 and below 1.

    Returns:
        ``(W, 4)`` int64 xyxy, row by row.
    """
    x, y = (_starts(length, side, overlap) for length, side in zip(size, tile))
    top, left = torch.meshgrid(y, x, indexing='ij')
    corner = torch.stack([left.flatten(), top.flatten()], dim=1)  # (W, 2)
    return torch.cat([corner, corner + torch.tensor(tile)], dim=1)


def _starts(length: int, side: int, overlap: float) -> Tensor:
    """Return where the windows of one axis start."""
    if length <= side:
        return torch.zeros(1, dtype=torch.int64)
    # Whole pixels, so that rounding does not reduce the overlap.
    step = max(math.floor(side * (1 - overlap)), 1)
    count = math.ceil((length - side) / step) + 1
    return torch.arange(count) * (length - side) // (count - 1)


def merge_windows(
    found: Detections,
    window: Tensor,
    windows: Tensor,
    size: tuple[int, int],
    iou_threshold: float | None = None,
    max_per_image: int = -1,
) -> Detections:
    """Return the detections of an image from those in its windows.

    A box that is cut at an inner border of its window is dropped where another window shows all of the box and what
    lies beyond. With the overlap of :func:`tile_windows`, an object smaller than the overlap is whole in a window,
    which decides about it. Of boxes of a class that overlap, the one with the highest score is kept. Between windows,
    boxes of which one is cut also overlap where one covers most of the other: the part of an object has a low IoU with
    the object.

    Args:
        found: D detections, xyxy in pixels of the image.
        window: ``(D,)`` index of the window of each.
        windows: ``(W, 4)`` windows.
        size: (width, height) of the image.
        iou_threshold: IoU of two boxes of a class above which the lower-scoring one is suppressed; ``None`` suppresses
            none.
        max_per_image: Number of detections kept, the best; below 0 for all.
    """
    # Ties go to the lower class, then to the earlier detection.
    order = found.labels.sort(stable=True).indices
    order = order[found.scores[order].sort(descending=True, stable=True).indices]
    order = order[~_better_elsewhere(found.boxes, window, windows, size)[order]]
    found, window = Detections(*(field[order] for field in found)), window[order]
    if iou_threshold is not None:
        rank = torch.arange(len(order), device=order.device)
        keep = suppress(
            found.boxes, Candidates(torch.zeros_like(rank), found.scores, found.labels, rank), iou_threshold
        )
        found, window = Detections(*(field[keep] for field in found)), window[keep]
        cut = _clearance(found.boxes, windows[window], size) < BORDER
        keep = ~_parts(found, window, cut)
        found = Detections(*(field[keep] for field in found))
    return found if max_per_image < 0 else Detections(*(field[:max_per_image] for field in found))


def _clearance(boxes: Tensor, windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the smallest distance of boxes to the inner borders of windows, as a fraction of the window's sides.

    Args:
        boxes: ``(..., 4)`` xyxy.
        windows: ``(..., 4)`` xyxy; broadcasts against ``boxes``.
        size: (width, height) of the image.

    Returns:
        ``(...)``, negative for boxes that leave the window, infinite for a window without inner borders.
    """
    inside = windows.new_tensor(size)
    sides = windows[..., 2:] - windows[..., :2]
    low = (boxes[..., :2] - windows[..., :2]) / sides
    high = (windows[..., 2:] - boxes[..., 2:]) / sides
    low = low.masked_fill(windows[..., :2] <= 0, math.inf)
    high = high.masked_fill(windows[..., 2:] >= inside, math.inf)
    return torch.cat([low, high], dim=-1).amin(dim=-1)


def _better_elsewhere(boxes: Tensor, window: Tensor, windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Return for each of D boxes whether its window cuts it and another one does not, ``(D,)`` bool."""
    dropped = _clearance(boxes, windows[window], size) < BORDER
    cut = dropped.nonzero().flatten()
    clear = _clearance(boxes[cut].unsqueeze(1), windows.unsqueeze(0), size) >= BORDER  # (cut, W)
    dropped[cut] = clear.any(dim=1)
    return dropped


def _parts(found: Detections, window: Tensor, cut: Tensor) -> Tensor:
    """Return which detections show the object of a better one in another window, where one is cut, ``(D,)`` bool.

    Args:
        found: D detections, the best first.
        window: ``(D,)`` index of the window of each.
        cut: ``(D,)`` bool.
    """
    rows = cut.nonzero().flatten()
    area = box_area(found.boxes)
    smaller = torch.minimum(area[rows].unsqueeze(1), area)
    shared = pairwise_intersection(found.boxes[rows], found.boxes)
    same = (shared > SAME_OBJECT * smaller) & (found.labels[rows].unsqueeze(1) == found.labels)
    same &= window[rows].unsqueeze(1) != window
    # Pairs (better, worse).
    row, column = same.nonzero(as_tuple=True)
    pairs = torch.stack([rows[row], column])
    better, worse = pairs.amin(dim=0), pairs.amax(dim=0)
    better, worse = better[better < worse], worse[better < worse]
    # Greedy suppression by rounds: only a detection that is kept suppresses others.
    dropped = torch.zeros(len(cut), dtype=torch.bool, device=cut.device)
    while True:
        now = torch.zeros_like(dropped).index_fill(0, worse[~dropped[better]], True)
        if torch.equal(now, dropped):
            return dropped
        dropped = now
