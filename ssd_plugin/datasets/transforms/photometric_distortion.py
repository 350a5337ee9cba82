"""Photometric distortion of 8-bit images: the methods, and the ranges that each takes."""

import math
from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np

from ssd_plugin.option_ranges import is_range

from .random_source import RandomSource
from .release_jitter import release_jitter
from .torchvision_jitter import torchvision_jitter

METHODS: dict[str, Callable[..., np.ndarray]] = dict(release=release_jitter, torchvision=torchvision_jitter)
# Ranges with which :func:`distort` leaves an image as it is.
NO_DISTORTION = dict(brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0)


def distort(
    image: np.ndarray,
    brightness: float | tuple[float, float],
    contrast: tuple[float, float],
    saturation: tuple[float, float],
    hue: float,
    random: RandomSource,
    method: str = 'release',
) -> np.ndarray:
    """Change brightness, contrast, saturation and hue, each with probability 1/2.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        brightness: Largest shift up or down, in levels; for ``'torchvision'`` the range of the factor.
        contrast: Range of the factor.
        saturation: Range of the factor.
        hue: Largest rotation in either direction, in degrees.
        random: Source of random numbers.
        method: ``'release'`` (:func:`release_jitter`) or ``'torchvision'`` (:func:`torchvision_jitter`).

    Returns:
        ``(H, W, 3)`` uint8.
    """
    return METHODS[method](image, brightness, contrast, saturation, hue, random)


def check_distortion(
    method: str,
    brightness: float | Sequence[float],
    contrast: Sequence[float],
    saturation: Sequence[float],
    hue: float,
) -> None:
    """Check the options of :func:`distort`.

    Raises:
        ValueError: One is out of its range, or not what the method takes.
    """
    if method not in METHODS:
        raise ValueError(f'color_jitter must be one of {", ".join(METHODS)}, got {method!r}')
    factors: dict[str, float | Sequence[float]] = dict(contrast=contrast, saturation=saturation)
    if method == 'torchvision':
        factors['brightness'] = brightness
    elif not isinstance(brightness, Real) or not brightness >= 0:
        raise ValueError(
            f"brightness must be the largest shift in levels, 0 or more, got {brightness!r}; color_jitter='torchvision'"
            ' takes the range of a factor'
        )
    for name, value in factors.items():
        if not is_range(value, 0, math.inf):
            raise ValueError(
                f'{name} must be the range (low, high) of a factor, 0 or more, got {value!r} (color_jitter={method!r})'
            )
    if not 0 <= hue <= 180:
        raise ValueError(f'hue must be the largest rotation in degrees, 0 to 180, got {hue!r}')
