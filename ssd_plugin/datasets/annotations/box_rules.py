"""What makes a ground-truth box one that nothing can be learned from."""

import numpy as np

NOT_FINITE, SWAPPED, NO_AREA, OUTSIDE = 'no finite coordinates', 'swapped corners', 'no area', 'outside the image'


def unusable(boxes: np.ndarray, size: tuple[float, float] | np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Which boxes have which fault; none has two.

    Args:
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels.
        size: (width, height) of the image, or ``(N, 2)`` of the image of each; NaN or ``None`` if it is not known, and nothing is
            outside.

    Returns:
        ``(N, )`` bool for each fault.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    finite = np.isfinite(boxes).all(axis=1)
    swapped = finite & (high < low).any(axis=1)
    flat = finite & ~swapped & (high == low).any(axis=1)
    outside = np.zeros(len(boxes), bool)
    if size is not None:
        outside = finite & ~swapped & ~flat & ((high <= 0) | (low >= size)).any(axis=1)
    return {NOT_FINITE: ~finite, SWAPPED: swapped, NO_AREA: flat, OUTSIDE: outside}


def usable(boxes: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """``(N, )``: which have none of the faults."""
    # NaN compares as false.
    inside = np.maximum(boxes[:, :2], 0) < np.minimum(boxes[:, 2:], size)
    return inside.all(axis=1) & np.isfinite(boxes).all(axis=1)
