"""Sample patches of a window, all tries at once.

Patches are given as fractions of the window.
"""

from collections.abc import Callable

import numpy as np

# Center x, center y, half the width and half the height.
Patches = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def area_patches(
    sides: np.ndarray, scale_range: tuple[float, float], aspect_range: tuple[float, float], drawn: np.ndarray
) -> Patches:
    """Return patches with areas and aspect ratios as in the original release.

    A patch has the sides ``s sqrt(a)`` and ``s / sqrt(a)``, as fractions of the window's. ``s`` is drawn from
    ``scale_range``, and ``a`` from the part of ``aspect_range`` with which the patch fits, between s^2 and 1 / s^2.

    Args:
        sides: Not used: everything is a fraction of the window's sides.
        scale_range: Range of the square root of the patch's area as a fraction of the window's.
        aspect_range: Range of the patch's aspect ratio, with both sides as fractions of the window's.
        drawn: ``(4, T, 1)`` random numbers in [0, 1), four for each patch.

    Returns:
        Four arrays ``(T, 1)``.
    """
    scale = scale_range[0] + (scale_range[1] - scale_range[0]) * drawn[0]
    square = scale * scale
    narrowest = np.maximum(aspect_range[0], square)
    widest = np.maximum(np.minimum(aspect_range[1], 1 / square), narrowest)
    root = np.sqrt(narrowest + (widest - narrowest) * drawn[1])
    width, height = np.minimum(scale * root, 1) / 2, np.minimum(scale / root, 1) / 2
    return width + drawn[2] * (1 - 2 * width), height + drawn[3] * (1 - 2 * height), width, height


def side_patches(
    sides: np.ndarray, scale_range: tuple[float, float], aspect_range: tuple[float, float], drawn: np.ndarray
) -> Patches:
    """Return patches with independent sides, as in the PyTorch tutorial and ssd.pytorch.

    Sides and positions are whole pixels, so snapping a patch to the pixels of the image leaves its sides as they are.
    Sides are truncated, but not below ``scale_range``. A patch whose aspect ratio is not inside ``aspect_range`` is a
    try that failed.

    Args:
        sides: Width and height of the window, in pixels, 1 or more.
        scale_range: Range of each side as a fraction of the window's.
        aspect_range: Range, without its ends, of width over height in pixels.
        drawn: ``(4, T, 1)`` random numbers in [0, 1), four for each patch.

    Returns:
        Four arrays ``(P, 1)`` with P <= T, in the order drawn.
    """
    # Shapes (2, 1, 1) and (2, T, 1): x and y.
    sides = sides[:, None, None]
    whole = np.floor(sides)
    shortest = np.minimum(np.ceil(scale_range[0] * sides), whole)
    size = np.floor((scale_range[0] + (scale_range[1] - scale_range[0]) * drawn[:2]) * sides)
    size = np.minimum(np.maximum(size, shortest), whole)
    aspect = size[0, :, 0] / size[1, :, 0]
    inside = (aspect > aspect_range[0]) & (aspect < aspect_range[1])
    size = size[:, inside]
    start = np.floor((whole - size + 1) * drawn[2:, inside])
    half = size / sides / 2
    center = start / sides + half
    return center[0], center[1], half[0], half[1]


SAMPLINGS: dict[str, Callable[..., Patches]] = dict(area=area_patches, sides=side_patches)
