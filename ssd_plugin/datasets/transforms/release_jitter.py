"""Color jitter of 8-bit images as in the original release (SSD paper, section 2.2; arXiv 1312.5402)."""

from typing import Any

import cv2
import numpy as np

from .random_source import RandomSource


def release_jitter(
    image: np.ndarray,
    brightness: float,
    contrast: tuple[float, float],
    saturation: tuple[float, float],
    hue: float,
    random: RandomSource,
) -> np.ndarray:
    """Change brightness, contrast, saturation and hue, each with probability 1/2.

    Brightness comes first. Contrast comes before or after saturation and hue, equally likely.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        brightness: Largest shift up or down, in levels.
        contrast: Range of the factor.
        saturation: Range of the factor.
        hue: Largest rotation in either direction, in degrees.
        random: Source of random numbers.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    brighten, change_contrast, saturate, turn, contrast_first = random.random_sample(5) < 0.5
    if brighten and (shift := round(random.uniform(-brightness, brightness))):
        # A scalar of OpenCV, which its type stubs do not know.
        scalar: Any = (shift, shift, shift, 0)
        image = cv2.add(image, scalar)
    contrast_factor = random.uniform(*contrast) if change_contrast else 1.0
    if contrast_first:
        image = _multiply(image, contrast_factor)
    # OpenCV halves degrees to fit them into 8 bits.
    hue_steps = round(random.uniform(-hue, hue) / 2) if turn else 0
    saturation_factor = random.uniform(*saturation) if saturate else 1.0
    # The conversion to HSV and back rounds twice, so it is done only where it is needed.
    if hue_steps or saturation_factor != 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        if hue_steps:
            turned = ((np.arange(256) + hue_steps) % 180).astype(np.uint8)
            cv2.insertChannel(cv2.LUT(cv2.extractChannel(image, 0), turned), image, 0)
        if saturation_factor != 1:
            cv2.insertChannel(_multiply(cv2.extractChannel(image, 1), saturation_factor), image, 1)
        image = cv2.cvtColor(image, cv2.COLOR_HSV2BGR)
    return image if contrast_first else _multiply(image, contrast_factor)


def _multiply(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the levels, rounded and clipped to 0..255."""
    return image if factor == 1 else cv2.convertScaleAbs(image, alpha=factor)
