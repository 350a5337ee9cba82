"""What the formats of annotations have in common: images with boxes, and what is wrong with them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# How bad a fault is.
UNSAFE, LEFT_OUT, NOTE = 'unsafe', 'left out', 'note'
KINDS = {
    'missing list': UNSAFE,
    'empty list': UNSAFE,
    'missing annotation': UNSAFE,
    'unreadable annotation': UNSAFE,
    'incomplete object': UNSAFE,
    'wrong size': UNSAFE,
    'id given twice': UNSAFE,
    'other order of classes': UNSAFE,
    'unknown image': LEFT_OUT,
    'missing image': LEFT_OUT,
    'unreadable image': LEFT_OUT,
    'no finite coordinates': UNSAFE,
    'swapped corners': LEFT_OUT,
    'no area': LEFT_OUT,
    'outside the image': LEFT_OUT,
    'unknown class': LEFT_OUT,
    'area not positive': LEFT_OUT,
    'beyond the image': NOTE,
    'box given twice': NOTE,
    'listed twice': NOTE,
    'same picture twice': NOTE,
    'in two splits': NOTE,
    'no size': NOTE,
    'no objects': NOTE,
    'class with few objects': NOTE,
}


@dataclass(frozen=True)
class Fault:
    """Something wrong: its kind, of ``KINDS``; the file, and the line or entry; and what it is exactly."""

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f'{self.where}: {self.text}'


@dataclass
class Box:
    """An object as annotated.

    ``corners`` are x1, y1, x2, y2 in pixels, counted as the format counts. The ``set_`` functions change the annotation that is
    written by ``--fix``; ``drop`` takes the object out of it.
    """

    name: str
    corners: tuple[float, float, float, float]
    where: str
    set_corners: Callable[[tuple[float, ...]], None]
    set_name: Callable[[str], None]
    drop: Callable[[], None]


@dataclass
class Picture:
    """An image as annotated: ``size`` is (width, height), ``None`` if it is not said."""

    path: Path
    where: str
    size: tuple[int, int] | None
    boxes: list[Box]
    splits: set[str]
    set_size: Callable[[tuple[int, int]], None]
    drop: Callable[[], None]


@dataclass
class Annotations:
    """What was read of a data set: images, the faults met on the way, and how to write a repaired copy into a folder.

    ``first_pixel`` is the number of the first pixel in the format; ``classes`` are the known ones, ``None`` for all that occur.
    """

    pictures: list[Picture]
    faults: list[Fault]
    write: Callable[[Path], None]
    first_pixel: int
    classes: tuple[str, ...] | None = None
