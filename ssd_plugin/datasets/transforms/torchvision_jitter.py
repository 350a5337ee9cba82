"""Color jitter of 8-bit images with torchvision's adjustments in random order, as in its ``ColorJitter``."""

import cv2
import numpy as np

from .random_source import RandomSource

LEVELS = np.arange(256, dtype=np.float32)
# Weights of BGR in the gray level (ITU-R BT.601).
GRAY = np.array([0.114, 0.587, 0.299])


def torchvision_jitter(
    image: np.ndarray,
    brightness: tuple[float, float],
    contrast: tuple[float, float],
    saturation: tuple[float, float],
    hue: float,
    random: RandomSource,
) -> np.ndarray:
    """Change brightness, contrast, saturation and hue in random order, each with probability 1/2.

    The adjustments are those of torchvision for tensors, within one level, in a tenth of their time, most of which hue
    takes.

    Args:
        image: ``(H, W, 3)`` uint8 BGR.
        brightness: Range of the factor.
        contrast: Range of the factor.
        saturation: Range of the factor.
        hue: Largest rotation in either direction, in degrees.
        random: Source of random numbers.

    Returns:
        ``(H, W, 3)`` uint8.
    """
    steps = (
        (adjust_brightness, *brightness),
        (adjust_contrast, *contrast),
        (adjust_saturation, *saturation),
        (adjust_hue, -hue, hue),
    )
    order, applied, fractions = random.random_sample((3, len(steps)))
    for i in order.argsort():
        adjust, low, high = steps[i]
        if applied[i] < 0.5:
            image = adjust(image, low + (high - low) * fractions[i])
    return image


def adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the levels."""
    return _blend(image, 0.0, factor)


def adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the differences from the mean gray level of the image."""
    return _blend(image, cv2.mean(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))[0], factor)


def adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the differences from the gray level of each pixel."""
    return cv2.transform(image, factor * np.eye(3) + (1 - factor) * GRAY)


def adjust_hue(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate the hue."""
    if degrees == 0:
        return image
    # OpenCV's 8-bit HSV would round the hue to two degrees, which changes vivid colors by up to four levels.
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_BGR2HSV)
    # It wraps hues from 360 degrees, but not negative ones.
    hsv[..., 0] += degrees % 360
    return cv2.convertScaleAbs(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


def _blend(image: np.ndarray, level: float, factor: float) -> np.ndarray:
    """Return ``factor * image + (1 - factor) * level``, clipped to 0..255 and truncated as in torchvision."""
    table = np.float32(factor) * LEVELS + np.float32((1 - factor) * level)
    return cv2.LUT(image, table.clip(0, 255).astype(np.uint8))
