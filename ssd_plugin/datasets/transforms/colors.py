"""Photometric distortion (SSD paper, section 2.2; arXiv 1312.5402), on 8-bit images."""
import cv2
import numpy as np

LEVELS = np.arange(256, dtype=np.float32)


def distort(image: np.ndarray,
            brightness: float,
            contrast: tuple[float, float],
            saturation: tuple[float, float],
            hue: float,
            random: np.random.RandomState) -> np.ndarray:
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
    yes = random.randint(2, size=5).astype(bool)
    levels = LEVELS + random.uniform(-brightness, brightness) if yes[0] else LEVELS
    factor = random.uniform(*contrast) if yes[1] else 1.
    first = yes[4]
    image = _look_up(image, levels * factor if first else levels)
    if yes[2] or yes[3]:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        channels = list(cv2.split(hsv))
        if yes[3]:
            # OpenCV halves degrees to fit them into 8 bits.
            turned = (np.arange(256) + round(random.uniform(-hue, hue) / 2)) % 180
            channels[0] = cv2.LUT(channels[0], turned.astype(np.uint8))
        if yes[2]:
            channels[1] = _look_up(channels[1], LEVELS * random.uniform(*saturation))
        image = cv2.cvtColor(cv2.merge(channels), cv2.COLOR_HSV2BGR)
    return image if first else _look_up(image, LEVELS * factor)


def _look_up(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Each level replaced, rounded and limited to 0..255."""
    if levels is LEVELS or np.array_equal(levels, LEVELS):
        return image
    return cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
