"""Validity rules for ground-truth boxes, common to all formats."""

import numpy as np

NOT_FINITE, SWAPPED, NO_AREA, OUTSIDE = 'non-finite coordinates', 'swapped corners', 'no area', 'outside the image'


def unusable(boxes: np.ndarray, size: tuple[float, float] | np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Find the invalid boxes, by reason. No box has two reasons.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels.
        size: (width, height) of the image, or ``(N, 2)`` with the image size of each box. With NaN or ``None``, an
            unknown size, only boxes left of or above the image are known to be outside.

    Returns:
        ``(N,)`` bool for each of ``NOT_FINITE``, ``SWAPPED``, ``NO_AREA`` and ``OUTSIDE``.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    swapped: np.ndarray = finite & (high < low).any(axis=1)
    flat: np.ndarray = finite & ~swapped & (high == low).any(axis=1)
    # fmin ignores NaN.
    visible = np.maximum(low, 0) < np.fmin(high, np.nan if size is None else size)
    outside = finite & ~swapped & ~flat & ~visible.all(axis=1)
    return {NOT_FINITE: ~finite, SWAPPED: swapped, NO_AREA: flat, OUTSIDE: outside}


def usable(boxes: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """Return which boxes are valid: none of the reasons of :func:`unusable` applies to them.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels.
        size: (width, height) of the image.

    Returns:
        ``(N,)`` bool.
    """
    # Comparisons with NaN are false.
    inside = np.maximum(boxes[:, :2], 0) < np.minimum(boxes[:, 2:], size)
    return np.asarray(inside.all(axis=1) & np.isfinite(boxes).all(axis=1))
