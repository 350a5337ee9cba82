"""Images with boxes, from which each layout of a dataset folder is written."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

CLASSES = ('cat', 'road sign', 'é')


@dataclass(frozen=True)
class Sample:
    """An image with its objects.

    Attributes:
        name: Name of the image file without suffix.
        split: ``'train'`` or ``'val'``.
        size: (width, height) in pixels.
        boxes: Class name and xyxy of each object, in pixels from 0, the far corner exclusive.
    """

    name: str
    split: str
    size: tuple[int, int]
    boxes: tuple[tuple[str, tuple[int, int, int, int]], ...]


SAMPLES = (
    Sample('a.1', 'train', (64, 48), (('cat', (3, 4, 20, 30)), ('road sign', (30, 10, 64, 48)))),
    Sample('b 2', 'train', (48, 64), (('é', (1, 1, 40, 60)),)),
    Sample('c', 'train', (80, 60), ()),
    Sample('d', 'train', (64, 48), (('cat', (10, 10, 25, 26)), ('cat', (30, 12, 44, 41)), ('é', (1, 30, 9, 47)))),
    Sample('e', 'val', (72, 54), (('road sign', (7, 5, 33, 29)),)),
    Sample('f', 'val', (64, 48), (('cat', (2, 2, 12, 13)), ('é', (40, 20, 61, 39)))),
)


def write_image(path: Path, sample: Sample) -> Path:
    """Write the image of a sample: noise, other for each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.RandomState(ord(sample.name[0])).randint(0, 255, (*sample.size[::-1], 3), np.uint8)
    assert cv2.imwrite(str(path), noise)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file, with the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def expected(samples: tuple[Sample, ...] = SAMPLES) -> dict[str, list[tuple]]:
    """Return the objects by name of the image, sorted."""
    return {sample.name: sorted(sample.boxes) for sample in samples}
