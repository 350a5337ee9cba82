"""From a window of an image to the network's input, in one resampling, and boxes along with it.

A window is (x1, y1, x2, y2) in pixels of the image, and may reach beyond it. Of the result, a part (left, top, right, bottom) shows
something; the rest is fill.
"""

import cv2
import numpy as np

Part = tuple[int, int, int, int]
NOTHING = (0, 0, 0, 0)


def snap(window: np.ndarray, size: tuple[int, int], scale: tuple[int, int]) -> tuple[np.ndarray, Part, Part]:
    """The window that begins and ends on whole pixels of the image and of the result, nearest to the one wanted.

    Args:
        window: wanted.
        size: (width, height) of the image.
        scale: (width, height) of the result.

    Returns:
        the window; the part of the image that it shows; the part of the result that shows it. Both parts are empty where the window
        misses the image.
    """
    x1, y1, x2, y2 = window.tolist()
    x, source_x, target_x = _snap(x1, x2, size[0], scale[0])
    y, source_y, target_y = _snap(y1, y2, size[1], scale[1])
    if x is None or y is None:
        return window, NOTHING, NOTHING
    return np.array(_corners(x, y)), _corners(source_x, source_y), _corners(target_x, target_y)


def _corners(x: tuple, y: tuple) -> tuple:
    return x[0], y[0], x[1], y[1]


def _snap(low: float, high: float, length: int, wanted: int) -> tuple[tuple | None, tuple[int, int], tuple[int, int]]:
    """One axis of :func:`snap`: ends of the window, of the image's part, and of the result's; no window where it misses."""
    first, last = max(round(low), 0), min(round(high), length)
    pixels = wanted / (high - low)
    # An end inside the image is an end of the result; beyond it there is fill.
    start = 0 if low >= 0 else round(-low * pixels)
    stop = wanted if high <= length else round((length - low) * pixels)
    if last <= first or stop <= start:
        return None, (0, 0), (0, 0)
    step = (last - first) / (stop - start)
    return (first - start * step, last + (wanted - stop) * step), (first, last), (start, stop)


def area(part: Part) -> int:
    """Number of pixels."""
    return (part[2] - part[0]) * (part[3] - part[1])


def fit(shown: np.ndarray, target: Part, flip: int | None, interpolation: int) -> np.ndarray:
    """A part of an image resized to a part of the result, and flipped (OpenCV's code)."""
    size = target[2] - target[0], target[3] - target[1]
    if shown.shape[1::-1] != size:
        shown = cv2.resize(shown, size, interpolation=interpolation)
    return shown if flip is None else cv2.flip(shown, flip)


def frame(
    shown: np.ndarray | None, target: Part, scale: tuple[int, int], flip: int | None, fill: tuple[int, ...]
) -> np.ndarray:
    """The result ``(scale[1], scale[0], 3)``: its part that shows something, and the fill colour around it.

    Its memory is channels first, which is what it becomes next: MMDetection's ``PackDetInputs`` has nothing to copy.
    """
    width, height = scale
    left, top, right, bottom = target
    if flip in (1, -1):
        left, right = width - right, width - left
    if flip in (0, -1):
        top, bottom = height - bottom, height - top
    planes = np.empty((3, height, width), np.uint8)
    if target != (0, 0, width, height):
        for plane, level in zip(planes, fill):
            plane.fill(level)
    if shown is not None:
        cv2.split(shown, [plane[top:bottom, left:right] for plane in planes])
    return planes.transpose(1, 2, 0)


def move(boxes: np.ndarray, window: np.ndarray, scale: tuple[int, int], flip: int | None) -> np.ndarray:
    """Boxes ``(N, 4)`` in pixels of the image to pixels of the result, cut at its border."""
    factor = np.asarray(scale) / (window[2:] - window[:2])
    corners = np.minimum(np.maximum((boxes.reshape(-1, 2, 2) - window[:2]) * factor, 0), scale)
    if flip in (1, -1):
        corners[..., 0] = scale[0] - corners[:, ::-1, 0]
    if flip in (0, -1):
        corners[..., 1] = scale[1] - corners[:, ::-1, 1]
    return corners.reshape(-1, 4)
