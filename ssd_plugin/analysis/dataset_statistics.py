"""Statistics of a dataset that decide how to train on it: sizes of images and objects, colors, orientation."""

import math
import os
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ssd_plugin.datasets.image_files import read_reduced

# Images whose pixels are looked at.
SAMPLE = 400
# Images and objects from which on orientation can be told.
ENOUGH = 60
# Standard errors from which on a difference counts.
SIGNIFICANT = 2.5
# Difference between the channels of a pixel, in levels, up to which it is gray: JPEG rounds.
GRAY_LEVELS = 8


@dataclass(frozen=True)
class SizedImage:
    """An image with its objects, as the statistics need it.

    Attributes:
        path: Image file.
        size: (width, height).
        names: Class name of each object.
        boxes: ``(N, 4)`` xyxy in pixels.
    """

    path: Path
    size: tuple[int, int]
    names: tuple[str, ...]
    boxes: np.ndarray


@dataclass(frozen=True)
class DatasetStatistics:
    """Statistics of the training images of a dataset.

    Attributes:
        images: Number of images.
        empty: Number of images without objects.
        objects: Number of objects of each class.
        image_size: Median (width, height) of the images.
        fractions: ``(N, 2)`` width and height of each object, as fractions of its image's.
        spread: Standard deviation of the binary logarithm of an object's size within its class, as a fraction of its
            image's: 1 for sizes that differ by a factor of two either way. 0 without objects.
        gray: Whether all images that were looked at are gray.
        brightness_tilt: By how many standard errors the upper half of the images is brighter than the lower one.
        position_tilt: By how many standard errors the objects' centers lie below the middle of their images.
    """

    images: int
    empty: int
    objects: dict[str, int]
    image_size: tuple[int, int]
    fractions: np.ndarray
    spread: float
    gray: bool
    brightness_tilt: float
    position_tilt: float

    def sides(self, input_size: tuple[int, int]) -> np.ndarray:
        """Return the geometric mean of width and height of each object ``(N,)``, in pixels of an input."""
        return np.sqrt((self.fractions * input_size).prod(axis=1))

    @property
    def has_orientation(self) -> bool:
        """Whether up and down differ in these images, or there are too few to tell.

        Photographs of a scene are brighter above, and their objects stand on a ground. A microscope's lamp may make
        the lower half brighter.
        """
        enough = self.images >= ENOUGH and len(self.fractions) >= ENOUGH
        return not enough or self.brightness_tilt > SIGNIFICANT or abs(self.position_tilt) > SIGNIFICANT


def measure(images: Sequence[SizedImage], seed: int = 0) -> DatasetStatistics:
    """Measure a dataset.

    Args:
        images: Its training images, at least one.
        seed: Seed of the sample whose pixels are looked at.
    """
    objects = Counter(name for image in images for name in image.names)
    width, height = np.median([image.size for image in images], axis=0)
    fractions = [(image.boxes[:, 2:] - image.boxes[:, :2]) / image.size for image in images if len(image.boxes)]
    centers = [(image.boxes[:, 1::2].mean(axis=1) / image.size[1]).mean() for image in images if len(image.boxes)]
    sizes = np.concatenate(fractions) if fractions else np.zeros((0, 2))
    names = [name for image in images for name in image.names]
    chosen = random.Random(seed).sample(list(images), min(SAMPLE, len(images)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = tqdm(pool.map(_pixels, (image.path for image in chosen)), 'reading images', len(chosen), disable=None)
        pixels = [item for item in found if item is not None]
    return DatasetStatistics(
        images=len(images),
        empty=sum(not image.names for image in images),
        objects=dict(objects.most_common()),
        image_size=(round(width), round(height)),
        fractions=sizes,
        spread=_spread_within_classes(names, sizes),
        gray=bool(pixels) and all(gray for gray, _ in pixels),
        brightness_tilt=_standard_errors([tilt for _, tilt in pixels]),
        position_tilt=_standard_errors([center - 0.5 for center in centers]),
    )


def _pixels(path: Path) -> tuple[bool, float] | None:
    """Return whether an image is gray, and by how many levels its upper half is brighter; ``None`` if unreadable."""
    image = read_reduced(path, cv2.IMREAD_REDUCED_COLOR_8)
    if image is None or image.shape[0] < 2:
        return None
    levels = image.astype(int)
    gray = bool((levels.max(axis=2) - levels.min(axis=2)).max() <= GRAY_LEVELS)
    half = len(levels) // 2
    return gray, float(levels[:half].mean() - levels[-half:].mean())


def _spread_within_classes(names: Sequence[str], sizes: np.ndarray) -> float:
    if not len(sizes):
        return 0.0
    logarithms = np.log2(np.maximum(sizes, 1e-6)).mean(axis=1)
    _, classes = np.unique(np.array(names), return_inverse=True)
    means = np.bincount(classes, logarithms) / np.bincount(classes)
    return float(np.sqrt(np.mean((logarithms - means[classes]) ** 2)))


def _standard_errors(values: Sequence[float]) -> float:
    """Return the mean of values in units of its standard error; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return mean / error if error > 0 else math.copysign(math.inf, mean) if mean else 0.0
