"""Boxes that were drawn on a copy of the image with another resolution."""

import numpy as np

# Boxes may end this many pixels beyond the image: formats disagree about where a pixel begins.
TOLERANCE = 1.0


def fits(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which boxes ``(N, 4)`` end within an image of a size, but for :data:`TOLERANCE`; ``(N,)`` bool."""
    points = corners.reshape(-1, 2, 2)
    return np.asarray(((points >= -TOLERANCE) & (points <= np.array(size) + TOLERANCE)).all(axis=(1, 2)))


def fits_only(corners: np.ndarray, size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether a box fits into an image of one size, but not of the other."""
    return bool((fits(corners, size) & ~fits(corners, other)).any())


def scale_factors(
    corners: np.ndarray, annotated: tuple[int, int] | None, size: tuple[int, int]
) -> tuple[float, float] | None:
    """Return the factors (x, y) from the image that was annotated to the image file.

    Args:
        corners: ``(N, 4)`` xyxy as annotated.
        annotated: (width, height) as annotated, ``None`` if the annotation has no size.
        size: (width, height) of the file.

    Returns:
        ``(1, 1)`` if the boxes are those of the file, ``None`` if the aspect ratios differ.
    """
    if annotated is None or annotated == size or fits_only(corners, size, annotated):
        return 1.0, 1.0
    if min(annotated) <= 0:
        return None
    # A side is rounded when an image is reduced.
    (width, height), (full_width, full_height) = sorted([annotated, size], key=max)
    if abs(full_height * width / full_width - height) <= 1 or abs(full_width * height / full_height - width) <= 1:
        return size[0] / annotated[0], size[1] / annotated[1]
    return None


def scaled(corners: np.ndarray, factors: tuple[float, float], first_pixel: int) -> np.ndarray:
    """Return boxes ``(N, 4)`` in the resolution of the file.

    Args:
        corners: ``(N, 4)`` xyxy as annotated.
        factors: Result of :func:`scale_factors`.
        first_pixel: Coordinate of the first pixel.
    """
    return (corners - first_pixel) * (*factors, *factors) + first_pixel
