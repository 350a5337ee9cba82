"""Sample the network's input from a window of an image in one resampling pass, and transform the boxes with it.

A window is (x1, y1, x2, y2) in pixels of the image, and may extend beyond it. A part is (left, top, right, bottom) in
whole pixels: of the image, the part that the window shows; of the result, the part that shows it. The rest of the
result is fill.
"""

import cv2
import numpy as np

Part = tuple[int, int, int, int]
EMPTY: Part = (0, 0, 0, 0)


def snap(window: np.ndarray, size: tuple[int, int], scale: tuple[int, int]) -> tuple[np.ndarray, Part, Part]:
    """Move a window to the nearest one that starts and ends on whole pixels of both the image and the result.

    Args:
        window: (x1, y1, x2, y2).
        size: (width, height) of the image.
        scale: (width, height) of the result.

    Returns:
        The window, the part of the image that it shows, and the part of the result that shows it. Where the window
        misses the image, it is unchanged, and both parts are empty.
    """
    x1, y1, x2, y2 = window.tolist()
    x = _snap_axis(x1, x2, size[0], scale[0])
    y = _snap_axis(y1, y2, size[1], scale[1])
    if x is None or y is None:
        return window, EMPTY, EMPTY
    (left, right), source_x, target_x = x
    (top, bottom), source_y, target_y = y
    source = source_x[0], source_y[0], source_x[1], source_y[1]
    target = target_x[0], target_y[0], target_x[1], target_y[1]
    return np.array([left, top, right, bottom]), source, target


def _snap_axis(
    low: float, high: float, length: int, wanted: int
) -> tuple[tuple[float, float], tuple[int, int], tuple[int, int]] | None:
    """Snap one axis.

    Args:
        low: Start of the window.
        high: End of the window.
        length: Side of the image.
        wanted: Side of the result.

    Returns:
        Start and end of the window, of the part of the image, and of the part of the result; ``None`` where they miss.
    """
    first, last = max(round(low), 0), min(round(high), length)
    pixels = wanted / (high - low)
    # An end inside the image is an end of the result; beyond the image there is fill.
    start = 0 if low >= 0 else round(-low * pixels)
    stop = wanted if high <= length else round((length - low) * pixels)
    if last <= first or stop <= start:
        return None
    step = (last - first) / (stop - start)
    return (first - start * step, last + (wanted - stop) * step), (first, last), (start, stop)


def area(part: Part) -> int:
    """Return the number of pixels of a part."""
    return (part[2] - part[0]) * (part[3] - part[1])


def fit(pixels: np.ndarray, target: Part, flip: int | None, interpolation: int) -> np.ndarray:
    """Resize pixels to the size of a part, and flip them.

    Args:
        pixels: ``(H, W, 3)``.
        target: Part of the result.
        flip: OpenCV's code, ``None`` for no flip.
        interpolation: OpenCV's code.
    """
    size = target[2] - target[0], target[3] - target[1]
    if pixels.shape[1::-1] != size:
        pixels = cv2.resize(pixels, size, interpolation=interpolation)
    return pixels if flip is None else cv2.flip(pixels, flip)


def frame(
    pixels: np.ndarray | None, target: Part, scale: tuple[int, int], flip: int | None, fill: tuple[int, ...]
) -> np.ndarray:
    """Place pixels in the result, with the fill color around them.

    The memory layout is channels first, which is what MMDetection's ``PackDetInputs`` needs, so that it copies nothing.

    Args:
        pixels: Already resized and flipped; ``None`` for a result of fill alone.
        target: Part of the result that they take, before the flip.
        scale: (width, height) of the result.
        flip: OpenCV's code, ``None`` for no flip.
        fill: BGR levels.

    Returns:
        ``(height, width, 3)`` uint8.
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
    if pixels is not None:
        cv2.split(pixels, [plane[top:bottom, left:right] for plane in planes])
    return planes.transpose(1, 2, 0)


def move(boxes: np.ndarray, window: np.ndarray, scale: tuple[int, int], flip: int | None) -> np.ndarray:
    """Transform boxes from pixels of the image to pixels of the result, clipped at its border.

    Args:
        boxes: ``(N, 4)`` xyxy.
        window: (x1, y1, x2, y2) that the result shows.
        scale: (width, height) of the result.
        flip: OpenCV's code, ``None`` for no flip.

    Returns:
        ``(N, 4)`` xyxy.
    """
    factor = np.asarray(scale) / (window[2:] - window[:2])
    corners = np.minimum(np.maximum((boxes.reshape(-1, 2, 2) - window[:2]) * factor, 0), scale)
    return flip_boxes(corners.reshape(-1, 4), scale, flip)


def homography(window: np.ndarray, scale: tuple[int, int], flip: int | None) -> np.ndarray:
    """Return the matrix that takes pixels of the image to pixels of the result, as :func:`move` does.

    Args:
        window: (x1, y1, x2, y2) that the result shows.
        scale: (width, height) of the result.
        flip: OpenCV's code, ``None`` for no flip.

    Returns:
        ``(3, 3)`` float32, for homogeneous coordinates (x, y, 1).
    """
    factor = np.asarray(scale) / (window[2:] - window[:2])
    shift = -window[:2] * factor
    for axis, codes in enumerate(((1, -1), (0, -1))):
        if flip in codes:
            factor[axis], shift[axis] = -factor[axis], scale[axis] - shift[axis]
    return np.array([[factor[0], 0, shift[0]], [0, factor[1], shift[1]], [0, 0, 1]], np.float32)


def flip_boxes(boxes: np.ndarray, size: tuple[float, float], flip: int | None) -> np.ndarray:
    """Flip boxes with their image.

    Args:
        boxes: ``(N, 4)`` xyxy.
        size: (width, height) of the image.
        flip: OpenCV's code, ``None`` for no flip.

    Returns:
        ``(N, 4)`` xyxy.
    """
    corners = boxes.reshape(-1, 2, 2).copy()
    if flip in (1, -1):
        corners[..., 0] = size[0] - corners[:, ::-1, 0]
    if flip in (0, -1):
        corners[..., 1] = size[1] - corners[:, ::-1, 1]
    return corners.reshape(-1, 4)
