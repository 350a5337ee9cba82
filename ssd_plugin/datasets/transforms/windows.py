"""Which part of the world an augmented image shows: zoom-out and IoU-constrained crop (SSD paper, sections 2.2 and 3.6), as one
window in pixels of the original image, which may reach beyond it."""
from collections.abc import Sequence

import numpy as np

# Patch constraints: the lowest IoU with an object, 0 for any patch, None for the whole image.
CONSTRAINTS = (None, 0., 0.1, 0.3, 0.5, 0.7, 0.9)
# Constraints chosen before the image is left whole; with the default ones the chance to get there is 1e-7.
ROUNDS = 100


def zoom_out(width: float, height: float, ratio_range: tuple[float, float], random: np.random.RandomState) -> np.ndarray:
    """A window (x1, y1, x2, y2) of ``ratio`` times the image's sides, with the image somewhere in it."""
    ratio = random.uniform(*ratio_range)
    left, top = random.uniform(0, (ratio - 1) * width), random.uniform(0, (ratio - 1) * height)
    return np.array([-left, -top, ratio * width - left, ratio * height - top])


def crop(window: np.ndarray,
         boxes: np.ndarray,
         constraints: Sequence[float | None],
         scale_range: tuple[float, float],
         aspect_range: tuple[float, float],
         tries: int,
         random: np.random.RandomState) -> np.ndarray:
    """A patch of a window.

    One of the constraints is chosen; of the patches drawn, all at once, the first one that meets it is taken. It must contain the
    centre of an object, and overlap one by the constraint's IoU at least. If none does, another constraint is chosen. Without
    objects the window itself is returned.

    Args:
        window: (x1, y1, x2, y2).
        boxes: ``(N, 4)`` objects, in the same coordinates.
        constraints: lowest IoU each, 0 for any patch, ``None`` for the whole window.
        scale_range: of the patch's sides, as shares of the window's, drawn independently.
        aspect_range: of the patch, width over height.
        tries: number of patches drawn.
        random: source of random numbers.

    Returns:
        (x1, y1, x2, y2).
    """
    if len(boxes) == 0:
        return window
    sides = window[2:] - window[:2]
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for _ in range(ROUNDS):
        least = constraints[random.randint(len(constraints))]
        if least is None:
            return window
        size = random.uniform(*scale_range, (tries, 2)) * sides
        corner = window[:2] + random.uniform(0, 1, (tries, 2)) * (sides - size)
        patches = np.concatenate([corner, corner + size], axis=1)  # (tries, 4)
        aspect = size[:, 0] / size[:, 1]
        good = (aspect >= aspect_range[0]) & (aspect <= aspect_range[1])
        inside = ((centers > patches[:, None, :2]) & (centers < patches[:, None, 2:])).all(axis=2)  # (tries, N)
        shared = np.prod(
            np.maximum(np.minimum(patches[:, None, 2:], boxes[:, 2:]) - np.maximum(patches[:, None, :2], boxes[:, :2]), 0), axis=2)
        iou = shared / (np.prod(size, axis=1)[:, None] + areas - shared)
        good &= inside.any(axis=1) & (iou.max(axis=1) >= least)
        if good.any():
            return patches[good.argmax()]
    return window
