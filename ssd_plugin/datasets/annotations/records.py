"""Format-independent records of the dataset check: annotated images and boxes, and the issues found in them."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path

from ssd_plugin.errors import UserError


class Severity(Enum):
    """How an issue affects training.

    Attributes:
        ERROR: Training or evaluation would stop, training would learn something wrong, or evaluation would be wrong.
        WARNING: Training skips the image or the box.
        INFO: Training is safe, but this may be a mistake.
    """

    ERROR = 'error'
    WARNING = 'warning'
    INFO = 'info'


# Names of splits for evaluation, in lower case.
EVALUATED = re.compile('(?<![a-z])(mini)?(val|test)')
# Splits that share images by intention, in alphabetical order.
NESTED = frozenset([('train', 'trainval'), ('trainval', 'val')])
LEAK = 'leak between splits'
# All kinds of issues, in the order in which they are reported.
KINDS = {
    LEAK: Severity.ERROR,
    'missing list': Severity.ERROR,
    'empty list': Severity.ERROR,
    'unreadable list': Severity.ERROR,
    'missing annotation': Severity.ERROR,
    'unreadable annotation': Severity.ERROR,
    'incomplete object': Severity.ERROR,
    'wrong size': Severity.ERROR,
    'EXIF rotation not applied': Severity.ERROR,
    'duplicate id': Severity.ERROR,
    'mismatched class order': Severity.ERROR,
    'missing image in evaluation': Severity.ERROR,
    'unreadable image in evaluation': Severity.ERROR,
    'unknown image': Severity.WARNING,
    'missing image': Severity.WARNING,
    'unreadable image': Severity.WARNING,
    'non-finite coordinates': Severity.ERROR,
    'swapped corners': Severity.WARNING,
    'no area': Severity.WARNING,
    'outside the image': Severity.WARNING,
    'not fractions': Severity.WARNING,
    'narrower than a pixel': Severity.WARNING,
    'ambiguous image': Severity.WARNING,
    'different boxes': Severity.WARNING,
    'withdrawn annotation': Severity.WARNING,
    'unsupported shape': Severity.WARNING,
    'video': Severity.WARNING,
    'unknown class': Severity.WARNING,
    'non-positive area': Severity.WARNING,
    'beyond the image': Severity.INFO,
    'scaled boxes': Severity.INFO,
    'duplicate box': Severity.INFO,
    'listed twice': Severity.INFO,
    'duplicate image': Severity.INFO,
    'in two splits': Severity.INFO,
    'missing size': Severity.INFO,
    'EXIF rotation unclear': Severity.INFO,
    'EXIF rotation applied': Severity.INFO,
    'counted from 1': Severity.INFO,
    'no class names': Severity.INFO,
    'not annotated': Severity.INFO,
    'marked to be ignored': Severity.INFO,
    'no objects': Severity.INFO,
    'rare class': Severity.INFO,
}


@dataclass(frozen=True)
class Issue:
    """A finding of the dataset check.

    Attributes:
        kind: A key of ``KINDS``.
        where: The file, with the line or the entry.
        text: What is wrong there.
    """

    kind: str
    where: str
    text: str

    @property
    def severity(self) -> Severity:
        """How the issue affects training."""
        return KINDS[self.kind]

    def __str__(self) -> str:
        return f'{self.where}: {self.text}'


@dataclass
class AnnotatedBox:
    """An annotated object, and how to change it in the repaired copy of its annotation.

    Attributes:
        name: Class name.
        corners: xyxy in pixels, with the values that training reads, before the format's first pixel is subtracted.
        where: The file, with the line or the entry.
        set_corners: Replaces the corners.
        set_name: Replaces the class name.
        drop: Removes the object.
    """

    name: str
    corners: tuple[float, float, float, float]
    where: str
    set_corners: Callable[[tuple[float, float, float, float]], None]
    set_name: Callable[[str], None]
    drop: Callable[[], object]


@dataclass
class AnnotatedImage:
    """An image with its annotated objects, and how to change it in the repaired copy of its annotation.

    Attributes:
        path: Image file.
        where: The annotation file, or the entry in it.
        size: (width, height) as annotated, ``None`` if the annotation has no size.
        boxes: Annotated objects.
        splits: Names of the splits that list the image.
        set_size: Replaces the size.
        drop: Removes the image.
    """

    path: Path
    where: str
    size: tuple[int, int] | None
    boxes: list[AnnotatedBox]
    splits: set[str]
    set_size: Callable[[tuple[int, int]], None]
    drop: Callable[[], object]


@dataclass(frozen=True)
class Roles:
    """Which splits training reads, and which validation and testing.

    Attributes:
        trained: Splits that training reads.
        evaluated: Splits that validation or testing reads.
        nested: Pairs of splits that share images by intention.
    """

    trained: frozenset[str]
    evaluated: frozenset[str]
    nested: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def by_name(cls, splits: Iterable[str]) -> 'Roles':
        """Return the roles that the names of splits suggest, such as ``'trainval'`` or ``'instances_val2017'``."""
        names = frozenset(splits)
        trained = frozenset(name for name in names if 'train' in name.lower())
        evaluated = frozenset(name for name in names - trained if EVALUATED.search(name.lower()))
        return cls(trained, evaluated, NESTED)


@dataclass
class Annotations:
    """The annotations of a dataset.

    Attributes:
        images: Images whose annotation can be read.
        issues: Issues found while reading.
        write: Writes the repaired annotations into a folder; raises :class:`UserError` if no image would remain.
        first_pixel: Coordinate of the first pixel in this format, 0 or 1.
        classes: Names of the known classes, ``None`` to accept all that occur.
        configured: What the splits are read for by a config, ``None`` to go by their names.
        scales: Whether training scales boxes that were drawn on a copy of the image with another resolution.
    """

    images: list[AnnotatedImage]
    issues: list[Issue]
    write: Callable[[Path], None]
    first_pixel: int
    classes: tuple[str, ...] | None = None
    configured: Roles | None = None
    scales: bool = False

    @cached_property
    def roles(self) -> Roles:
        """What the splits are read for."""
        return self.configured or Roles.by_name(split for image in self.images for split in image.splits)

    def trains(self, image: AnnotatedImage) -> bool:
        """Return whether training may read an image: whether it is not in splits for evaluation alone."""
        return not image.splits <= self.roles.evaluated

    def evaluates(self, image: AnnotatedImage) -> bool:
        """Return whether validation or testing reads an image."""
        return not image.splits.isdisjoint(self.roles.evaluated)


def check_remaining(path: Path, before: int, after: int) -> None:
    """Check that the repaired copy of a list of images is not empty, unless the list itself is.

    Args:
        path: The list.
        before: Number of its images.
        after: Number of images in the copy.

    Raises:
        UserError: No image remains.
    """
    if before and not after:
        raise UserError(
            f'none of the {before} images of {path} can be used, so a repaired copy would list none; nothing is '
            'written. Repair what the report says about them first'
        )


def unreadable(issue: Issue) -> Annotations:
    """Return the annotations of a dataset that cannot be read at all: no images, one issue, and nothing to write."""
    return Annotations([], [issue], lambda target: None, 0)
