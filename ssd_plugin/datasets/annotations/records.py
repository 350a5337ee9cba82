"""Format-independent records of the dataset check: annotated images and boxes, and the issues found in them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ssd_plugin.errors import UserError


class Severity(Enum):
    """How an issue affects training.

    Attributes:
        ERROR: Training would stop, or learn something wrong.
        WARNING: Training skips the image or the box.
        INFO: Training is safe, but this may be a mistake.
    """

    ERROR = 'error'
    WARNING = 'warning'
    INFO = 'info'


# All kinds of issues, in the order in which they are reported.
KINDS = {
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
    'unknown image': Severity.WARNING,
    'missing image': Severity.WARNING,
    'unreadable image': Severity.WARNING,
    'non-finite coordinates': Severity.ERROR,
    'swapped corners': Severity.WARNING,
    'no area': Severity.WARNING,
    'outside the image': Severity.WARNING,
    'narrower than a pixel': Severity.WARNING,
    'unknown class': Severity.WARNING,
    'non-positive area': Severity.WARNING,
    'beyond the image': Severity.INFO,
    'duplicate box': Severity.INFO,
    'listed twice': Severity.INFO,
    'duplicate image': Severity.INFO,
    'in two splits': Severity.INFO,
    'missing size': Severity.INFO,
    'EXIF rotation unclear': Severity.INFO,
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


@dataclass
class Annotations:
    """The annotations of a dataset.

    Attributes:
        images: Images whose annotation can be read.
        issues: Issues found while reading.
        write: Writes the repaired annotations into a folder; raises :class:`UserError` if no image would remain.
        first_pixel: Coordinate of the first pixel in this format, 0 or 1.
        classes: Names of the known classes, ``None`` to accept all that occur.
    """

    images: list[AnnotatedImage]
    issues: list[Issue]
    write: Callable[[Path], None]
    first_pixel: int
    classes: tuple[str, ...] | None = None


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
