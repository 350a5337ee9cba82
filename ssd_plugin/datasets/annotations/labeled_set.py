"""A labeled set: what a reader of a labeling tool's files returns, whatever their format."""

from dataclasses import dataclass
from pathlib import Path

from .records import Issue


@dataclass(frozen=True)
class LabeledBox:
    """A labeled object.

    Attributes:
        name: Class name.
        corners: xyxy in pixels of the image file, continuous from 0.
        difficult: Whether the object is marked as difficult.
        crowd: Whether the box holds a crowd of objects.
        shape: What was drawn: ``'box'``, ``'polygon'`` or ``'rotated'``.
    """

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool = False
    crowd: bool = False
    shape: str = 'box'


@dataclass(frozen=True)
class LabeledImage:
    """An image file with its labeled objects.

    Attributes:
        path: Existing image file.
        where: The annotation file, and the entry in it.
        size: (width, height) of the image file, as training sees it.
        boxes: Labeled objects.
        split: Name of the split, ``None`` if there are no splits.
    """

    path: Path
    where: str
    size: tuple[int, int]
    boxes: tuple[LabeledBox, ...]
    split: str | None


@dataclass(frozen=True)
class LabeledSet:
    """The labeled images of a folder.

    Attributes:
        format: Name of the format for people, such as ``'LabelMe'``.
        root: The folder.
        images: Labeled images.
        classes: Class names.
        issues: What was skipped, and why.
    """

    format: str
    root: Path
    images: tuple[LabeledImage, ...]
    classes: tuple[str, ...]
    issues: tuple[Issue, ...]
