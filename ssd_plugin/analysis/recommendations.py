"""What suits a dataset: input size, augmentation, batch and length of the training, each with its reason."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dataset_statistics import DatasetStatistics

# The depthwise detector's area in pixels, and a larger one for small objects.
AREA, LARGE_AREA = 320 * 240, 512 * 384
# Sides of the input are multiples of it, so that every feature map but the last covers whole cells.
MULTIPLE = 32
# Side in pixels of the input below which objects are small for a first feature map of stride 8.
SMALL = 16
# Side that zooming out leaves to all but the smallest tenth of the objects.
VISIBLE = 10
# Spread within a class (see DatasetStatistics) up to which objects are of one size, and up to which they vary little.
ONE_SIZE, LITTLE = 0.5, 0.8
EPOCHS, MIN_ITERATIONS, MAX_ITERATIONS = 200, 1500, 20000
BATCH, SMALL_BATCH = 16, 8
# Iterations are rounded to multiples of it.
ROUND = 100


@dataclass(frozen=True)
class Choice:
    """A recommended value.

    Attributes:
        value: The value.
        reason: Why, in a few words.
    """

    value: Any
    reason: str


def input_size(statistics: DatasetStatistics) -> Choice:
    """Return the (width, height) of the input for a network that takes any."""
    width, height = statistics.image_size
    size = _shaped(AREA, width / height)
    reason = f'shaped like the images, whose median is {width}x{height}'
    sides = statistics.sides(size)
    if len(sides) and np.quantile(sides, 0.25) < SMALL and width * height > AREA:
        larger = _shaped(min(LARGE_AREA, width * height), width / height)
        reason += (
            f'; at {size[0]}x{size[1]} a quarter of the objects would be smaller than {np.quantile(sides, 0.25):.0f} '
            'pixels'
        )
        size = larger
    return Choice(size, reason)


def _shaped(area: float, aspect: float) -> tuple[int, int]:
    """Return sides, multiples of :data:`MULTIPLE`, of about an area and an aspect ratio, 3:1 or 1:3 at most."""
    aspect = min(max(aspect, 1 / 3), 3.0)
    # The detector's own size, though 240 is no multiple of 32.
    for own in ((320, 240), (240, 320)):
        if area == AREA and abs(math.log(aspect / (own[0] / own[1]))) < 0.05:
            return own
    sides = range(2 * MULTIPLE, 1024 + 1, MULTIPLE)
    return min(
        ((width, height) for width in sides for height in sides),
        # A wrong shape harms more than another area, for which time is the price.
        key=lambda size: 2 * abs(math.log(size[0] / size[1] / aspect)) + abs(math.log(size[0] * size[1] / area)),
    )


def flips(statistics: DatasetStatistics) -> Choice:
    """Return the options ``flip_prob`` and ``flip_direction`` of the augmentation."""
    if statistics.has_orientation:
        return Choice(
            dict(flip_prob=0.5, flip_direction='horizontal'),
            'left and right only; add vertical flips if these images have no upright orientation',
        )
    return Choice(
        dict(flip_prob=[0.25] * 3, flip_direction=['horizontal', 'vertical', 'diagonal']),
        'no upright orientation was found: objects lie as often above the middle of an image as below',
    )


def zoom(statistics: DatasetStatistics, size: tuple[int, int]) -> Choice:
    """Return the options of zooming out and cropping.

    Args:
        statistics: Statistics of the dataset.
        size: (width, height) of the network's input.
    """
    spread = statistics.spread
    factor = 2**spread
    # Probability and largest ratio of zooming out.
    options: dict[str, Any]
    if spread <= ONE_SIZE:
        probability, largest = 0.3, 1.5
        options = dict(constraints=(0.0,), crop_scale=(0.5, 1.0))
        reason = f'little, since objects of a class are of one size (within a factor of {factor:.1f})'
    elif spread <= LITTLE:
        probability, largest = 0.3, 2.0
        options = dict(crop_scale=(0.4, 1.0))
        reason = f'less than for everyday photographs, since sizes within a class vary by a factor of {factor:.1f} only'
    else:
        probability, largest = 0.5, 4.0
        options = {}
        reason = f"as in SSD's paper: sizes within a class vary by a factor of {factor:.1f}"
    sides = statistics.sides(size)
    if len(sides):
        side = float(np.quantile(sides, 0.1))
        limit = max(math.floor(10 * side / VISIBLE) / 10, 1.0)
        if limit < largest:
            reason += f'; a tenth of the objects are smaller than {side:.0f} pixels already'
            probability, largest = probability if limit > 1 else 0.0, limit
    return Choice(dict(zoom_out_prob=probability, zoom_out_ratio=(1.0, largest), **options), reason)


def colors(statistics: DatasetStatistics) -> Choice | None:
    """Return the options of the color distortion where the usual ones make no sense, otherwise ``None``."""
    if not statistics.gray:
        return None
    return Choice(dict(saturation=(1.0, 1.0), hue=0.0), 'the images are gray')


def batch_size(images: int) -> Choice:
    """Return the number of images of a batch."""
    if images < 4 * BATCH:
        return Choice(SMALL_BATCH, f'there are only {images} images')
    return Choice(BATCH, f'the learning rate is that of {BATCH} images')


def iterations(images: int, batch: int, seconds: float, minutes: float) -> Choice:
    """Return the number of iterations.

    Args:
        images: Number of training images.
        batch: Images of a batch.
        seconds: Time of an iteration, measured.
        minutes: Time for the training.
    """
    wanted = min(max(EPOCHS * images / batch, MIN_ITERATIONS), MAX_ITERATIONS)
    possible = minutes * 60 / seconds
    number = max(ROUND * math.floor(min(wanted, possible) / ROUND), ROUND)
    epochs = number * batch / images
    takes = number * seconds / 60
    reason = f'{epochs:.0f} epochs, which take {takes:.0f} minutes here ({seconds:.2f} s an iteration, measured)'
    if possible < wanted:
        reason += f'; {ROUND * math.floor(wanted / ROUND)} would be better, if you have the time'
    if number > possible:
        reason += f'; fewer than {number} are no training, though only {minutes:g} minutes were asked for'
    return Choice(number, reason)
