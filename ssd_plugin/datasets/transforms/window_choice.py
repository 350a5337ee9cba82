"""Which part of the world an augmented image shows: zoom-out and IoU-constrained crop (SSD paper, sections 2.2 and 3.6), as one
window in pixels of the original image, which may reach beyond it."""

from collections.abc import Sequence

import numpy as np

# Patch constraints: the lowest IoU with an object, 0 for any patch, None for the whole image.
CONSTRAINTS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
# Constraints chosen before the image is left whole; with the default ones the chance to get there is 1e-7.
ROUNDS = 100


def zoom_out(
    width: float, height: float, ratio_range: tuple[float, float], random: np.random.RandomState
) -> np.ndarray:
    """A window (x1, y1, x2, y2) of ``ratio`` times the image's sides, with the image somewhere in it."""
    ratio = random.uniform(*ratio_range)
    left, top = random.uniform(0, (ratio - 1) * width), random.uniform(0, (ratio - 1) * height)
    return np.array([-left, -top, ratio * width - left, ratio * height - top])


def crop(
    window: np.ndarray,
    boxes: np.ndarray,
    constraints: Sequence[float | None],
    scale_range: tuple[float, float],
    aspect_range: tuple[float, float],
    tries: int,
    random: np.random.RandomState,
) -> np.ndarray:
    """A patch of a window.

    One of the constraints is chosen; of the patches drawn, all at once, the first one that meets it is taken. It must contain the
    centre of an object, and overlap one by the constraint's IoU at least. If none does, another constraint is chosen. Without
    objects the window itself is returned.

    A patch has the sides ``s sqrt(a)`` and ``s / sqrt(a)``, as shares of the window's, with ``s`` from ``scale_range`` and ``a``
    from the part of ``aspect_range`` with which it fits, between s^2 and 1 / s^2.

    Args:
        window: (x1, y1, x2, y2).
        boxes: ``(N, 4)`` objects, in the same coordinates.
        constraints: lowest IoU each, 0 for any patch, ``None`` for the whole window.
        scale_range: of the square root of the patch's area, as a share of the window's.
        aspect_range: of the patch, its share of the width over that of the height.
        tries: number of patches drawn.
        random: source of random numbers.

    Returns:
        (x1, y1, x2, y2).
    """
    if len(boxes) == 0:
        return window
    sides = window[2:] - window[:2]
    # (4, N), in shares of the window.
    left, top, right, bottom = ((boxes.reshape(-1, 2, 2) - window[:2]) / sides).reshape(-1, 4).T
    center_x, center_y = (left + right) / 2, (top + bottom) / 2
    areas = (right - left) * (bottom - top)
    # Not even a patch that lies in the largest object, or just around it, overlaps it by more.
    highest = areas.max() / scale_range[0] ** 2
    for _ in range(ROUNDS):
        least = constraints[int(random.random_sample() * len(constraints))]
        if least is None:
            return window
        if least > highest:
            continue
        x, y, width, height = _patches(scale_range, aspect_range, random.random_sample((4, tries, 1)))
        good = ((np.abs(center_x - x) < width) & (np.abs(center_y - y) < height)).any(axis=1)
        if least > 0:
            # (tries, N)
            shared_x = np.minimum(x + width, right) - np.maximum(x - width, left)
            shared_y = np.minimum(y + height, bottom) - np.maximum(y - height, top)
            shared = np.maximum(shared_x, 0) * np.maximum(shared_y, 0)
            # IoU >= least, without the division.
            good &= (shared * ((1 + least) / least) >= 4 * width * height + areas).any(axis=1)
        first = good.argmax()
        if good[first]:
            x, y, width, height = (float(values[first, 0]) for values in (x, y, width, height))
            shares = np.array([[x - width, y - height], [x + width, y + height]])
            return (shares * sides + window[:2]).reshape(4)
    return window


def _patches(
    scale_range: tuple[float, float], aspect_range: tuple[float, float], drawn: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Centre x, y and half the width and height, in shares of the window, from four numbers in [0, 1) each, ``(4, ...)``."""
    scale = scale_range[0] + (scale_range[1] - scale_range[0]) * drawn[0]
    square = scale * scale
    narrowest = np.maximum(aspect_range[0], square)
    widest = np.maximum(np.minimum(aspect_range[1], 1 / square), narrowest)
    root = np.sqrt(narrowest + (widest - narrowest) * drawn[1])
    width, height = np.minimum(scale * root, 1) / 2, np.minimum(scale / root, 1) / 2
    return width + drawn[2] * (1 - 2 * width), height + drawn[3] * (1 - 2 * height), width, height
