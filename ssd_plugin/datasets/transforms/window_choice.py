"""Choose what an augmented image shows: zoom-out and IoU-constrained crop (SSD paper, sections 2.2 and 3.6), and tiles.

They end in one window (x1, y1, x2, y2) in pixels of the original image, which may extend beyond it.
"""

import math
from collections.abc import Sequence
from numbers import Real

import numpy as np

from ssd_plugin.option_ranges import check_counts, check_fractions, is_range

from .patch_sampling import SAMPLINGS
from .random_source import RandomSource

# Constraints on the patch: the lowest IoU with an object, 0 for any patch, None for no crop.
CONSTRAINTS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
# Constraints tried before the image is left uncropped. With the default constraints the probability of that is 1e-7.
ROUNDS = 100


def choose_tile(
    width: float,
    height: float,
    boxes: np.ndarray,
    size: tuple[float, float],
    around_object: float,
    random: RandomSource,
) -> np.ndarray:
    """Return a window (x1, y1, x2, y2) of a given size in a random place, often one that shows a random object.

    Where an image is smaller than the window, the window shows all of it in a random place.

    Args:
        width: Width of the image.
        height: Height of the image.
        boxes: ``(N, 4)`` objects in the image.
        size: (width, height) of the window in pixels of the image.
        around_object: Probability that the window shows all of an object, or the center of one that is larger;
            otherwise, and without objects, it is anywhere.
        random: Source of random numbers.
    """
    image, window = np.array([width, height]), np.array(size)
    low, high = np.minimum(image - window, 0), np.maximum(image - window, 0)
    chosen, index, place = random.random_sample(), random.random_sample(), random.random_sample(2)
    if len(boxes) and chosen < around_object:
        x1, y1, x2, y2 = boxes[int(index * len(boxes))]
        center = np.array([x1 + x2, y1 + y2]) / 2
        half = np.minimum(np.array([x2 - x1, y2 - y1]), window) / 2
        low, high = np.maximum(low, center + half - window), np.minimum(high, center - half)
    # An object at the border of the image leaves one place, but for rounding.
    corner = low + place * np.maximum(high - low, 0)
    return np.concatenate([corner, corner + window])


def zoom_out(width: float, height: float, ratio_range: tuple[float, float], random: RandomSource) -> np.ndarray:
    """Return a window (x1, y1, x2, y2) that is larger than the image by a random ratio, with the image inside it.

    The position of the image in the window is uniformly distributed.

    Args:
        width: Width of the image.
        height: Height of the image.
        ratio_range: Range of the ratio of the sides, 1 or more.
        random: Source of random numbers.
    """
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
    random: RandomSource,
    sampling: str = 'area',
) -> np.ndarray:
    """Choose a patch of a window that meets a random constraint.

    One of the constraints is drawn, then all candidate patches at once; the first one that meets the constraint is
    taken. It must contain the center of an object, and its IoU with an object must reach the constraint. If no
    candidate qualifies, another constraint is drawn. Without objects the result is the window itself.

    Args:
        window: (x1, y1, x2, y2).
        boxes: ``(N, 4)`` objects, in the same coordinates.
        constraints: Lowest IoU of each constraint, 0 for any patch, ``None`` for the whole window.
        scale_range: Range of the patch's size as a fraction of the window's, as ``sampling`` understands it.
        aspect_range: Range of the patch's aspect ratio, likewise.
        tries: Number of candidate patches drawn for a constraint.
        random: Source of random numbers.
        sampling: ``'area'`` (:func:`area_patches`) or ``'sides'`` (:func:`side_patches`).

    Returns:
        (x1, y1, x2, y2).
    """
    if len(boxes) == 0:
        return window
    sides = window[2:] - window[:2]
    # (4, N), as fractions of the window.
    left, top, right, bottom = ((boxes.reshape(-1, 2, 2) - window[:2]) / sides).reshape(-1, 4).T
    center_x, center_y = (left + right) / 2, (top + bottom) / 2
    areas = (right - left) * (bottom - top)
    # No IoU exceeds the area of the largest object over that of the smallest patch.
    highest = areas.max() / scale_range[0] ** 2
    for _ in range(ROUNDS):
        least = constraints[int(random.random_sample() * len(constraints))]
        if least is None:
            return window
        if least > highest:
            continue
        drawn = random.random_sample((4, tries, 1))
        x, y, width, height = SAMPLINGS[sampling](sides, scale_range, aspect_range, drawn)
        good = ((np.abs(center_x - x) < width) & (np.abs(center_y - y) < height)).any(axis=1)
        if least > 0:
            # Shapes (tries, N).
            shared_x = np.minimum(x + width, right) - np.maximum(x - width, left)
            shared_y = np.minimum(y + height, bottom) - np.maximum(y - height, top)
            shared = np.maximum(shared_x, 0) * np.maximum(shared_y, 0)
            # IoU >= least, without the division.
            good &= (shared * ((1 + least) / least) >= 4 * width * height + areas).any(axis=1)
        if good.any():
            first = good.argmax()
            # Center and half the sides.
            cx, cy, w, h = (float(values[first, 0]) for values in (x, y, width, height))
            fractions = np.array([[cx - w, cy - h], [cx + w, cy + h]])
            return (fractions * sides + window[:2]).reshape(4)
    return window


def check_tile(size: Sequence[float] | None, around_object: float) -> None:
    """Check the options of :func:`choose_tile`.

    Raises:
        ValueError: One is out of its range.
    """
    if size is not None and not (isinstance(size, Sequence) and len(size) == 2 and min(size) >= 1):
        raise ValueError(f'tile must be (width, height) in pixels of the image, got {size!r}')
    if not 0 <= around_object <= 1:
        raise ValueError(f'tile_around_object must be a probability of 0 to 1, got {around_object!r}')


def check_crop(
    constraints: Sequence[float | None],
    tries: int,
    sampling: str,
    scale_range: Sequence[float],
    aspect_range: Sequence[float],
) -> None:
    """Check the options of :func:`crop`.

    Raises:
        ValueError: One is out of its range.
    """
    if isinstance(constraints, Real) or len(constraints) == 0:
        raise ValueError(f'constraints must be a list of IoUs, (None,) for no crop, got {constraints!r}')
    for constraint in constraints:
        if constraint is not None:
            check_fractions(constraints=constraint)
    check_counts(crop_tries=tries)
    if sampling not in SAMPLINGS:
        raise ValueError(f'crop_sampling must be one of {", ".join(SAMPLINGS)}, got {sampling!r}')
    if not is_range(scale_range, 0, 1) or scale_range[0] == 0:
        raise ValueError(f'crop_scale must be two increasing fractions above 0 and up to 1, got {scale_range!r}')
    if not is_range(aspect_range, 0, math.inf) or aspect_range[0] == 0:
        raise ValueError(f'crop_aspect must be two increasing numbers above 0, got {aspect_range!r}')
    if sampling == 'sides' and aspect_range[0] == aspect_range[1]:
        raise ValueError(f"crop_aspect must differ at its ends with crop_sampling='sides', got {aspect_range!r}")
