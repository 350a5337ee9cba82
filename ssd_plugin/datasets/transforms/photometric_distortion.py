"""Photometric distortion (SSD paper, section 2.2; arXiv 1312.5402), on 8-bit images."""

import cv2
import numpy as np


def distort(
    image: np.ndarray,
    brightness: float,
    contrast: tuple[float, float],
    saturation: tuple[float, float],
    hue: float,
    random: np.random.RandomState,
) -> np.ndarray:
    """Brightness, contrast, saturation and hue, each with probability 1/2; contrast before or after the two others.

    Args:
        image: ``(H, W, 3)`` uint8, blue first.
        brightness: largest shift up or down, in levels.
        contrast: range of the factor.
        saturation: range of the factor.
        hue: largest turn either way, in degrees.
        random: source of random numbers.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    brighten, change_contrast, saturate, turn, contrast_first = random.random_sample(5) < 0.5
    if brighten and (shift := round(random.uniform(-brightness, brightness))):
        image = cv2.add(image, (shift, shift, shift, 0))
    factor = random.uniform(*contrast) if change_contrast else 1.0
    if contrast_first:
        image = _multiply(image, factor)
    # OpenCV halves degrees to fit them into 8 bits.
    steps = round(random.uniform(-hue, hue) / 2) if turn else 0
    share = random.uniform(*saturation) if saturate else 1.0
    # To HSV and back rounds twice: not for nothing.
    if steps or share != 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        if steps:
            turned = ((np.arange(256) + steps) % 180).astype(np.uint8)
            cv2.insertChannel(cv2.LUT(cv2.extractChannel(image, 0), turned), image, 0)
        if share != 1:
            cv2.insertChannel(_multiply(cv2.extractChannel(image, 1), share), image, 1)
        image = cv2.cvtColor(image, cv2.COLOR_HSV2BGR)
    return image if contrast_first else _multiply(image, factor)


def _multiply(image: np.ndarray, factor: float) -> np.ndarray:
    """Rounded and limited to 0..255."""
    return image if factor == 1 else cv2.convertScaleAbs(image, alpha=factor)
