"""What a reader of a labeling tool's format collects, and the labeled set that it becomes."""

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ssd_plugin.datasets.annotations.box_rules import NO_AREA, NOT_FINITE, OUTSIDE, SWAPPED, unusable
from ssd_plugin.datasets.annotations.labeled_set import LabeledBox, LabeledImage, LabeledSet
from ssd_plugin.datasets.annotations.records import Issue
from ssd_plugin.errors import UserError

from .file_fit import ImageFacts, fit_to_file, image_facts
from .image_finder import AmbiguousImage, NamedImageFinder
from .split_names import split_of_path

# Names in one message.
MAX_NAMED = 3
UNUSABLE = (NOT_FINITE, SWAPPED, NO_AREA, OUTSIDE)
# Fraction of unusable boxes above which annotations and images do not belong together.
MAX_UNUSABLE = 0.5


@dataclass(frozen=True)
class LeftOut(Issue):
    """A finding of an import.

    Attributes:
        images: Number of images that are left out because of it.
        boxes: Number of boxes that are left out because of it, with those of the images.
    """

    images: int = 0
    boxes: int = 0


@dataclass(frozen=True)
class DrawnBox:
    """An object as a labeling tool describes it.

    Attributes:
        name: Class name.
        corners: xyxy in pixels of the image as annotated, or in fractions of its sides.
        where: The file, with the line or the entry.
        difficult: Whether it is marked as difficult.
        crowd: Whether it is a group of objects.
        shape: What was drawn, as in :class:`LabeledBox`.
    """

    name: str
    corners: tuple[float, float, float, float]
    where: str
    difficult: bool = False
    crowd: bool = False
    shape: str = 'box'


@dataclass
class DrawnImage:
    """An image as a labeling tool describes it.

    Attributes:
        names: Names of the image file, with or without folders, the best first.
        file: The annotation file.
        where: The file, with the line or the entry.
        boxes: The objects.
        size: (width, height) as annotated, ``None`` if the annotation does not tell.
        fractions: Whether corners are fractions of the image's sides.
        split: Name of the split, ``None`` if the annotation does not tell.
    """

    names: Sequence[str]
    file: Path
    where: str
    boxes: list[DrawnBox] = field(default_factory=list)
    size: tuple[int, int] | None = None
    fractions: bool = False
    split: str | None = None


def number(value: object) -> float:
    """Return the value of a number or of its text.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ValueError(f'{_short(value)} is not a number')


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """Return (width, height) as an annotation states it, ``None`` if it does not."""
    try:
        size = number(width), number(height)
    except ValueError:
        return None
    return (round(size[0]), round(size[1])) if all(map(math.isfinite, size)) and min(size) > 0 else None


def class_name(value: object) -> str:
    """Return the name of a class, without surrounding spaces.

    Raises:
        ValueError: It is empty, or neither text nor a number.
    """
    text = str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ''
    if not text:
        raise ValueError('it has no class')
    return text


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:40]}...'


class Reading:
    """The images and issues found in the annotation files of a dataset.

    Args:
        format_name: Name of the format for people.
        root: Folder of the dataset.
        images: Folder of the images, ``None`` for that of the dataset.
    """

    def __init__(self, format_name: str, root: Path, images: Path | None = None) -> None:
        self.format_name = format_name
        self.root = root if root.is_dir() else root.parent
        self.finder = NamedImageFinder(images or self.root)
        self.drawn: list[DrawnImage] = []
        self.issues: list[Issue] = []

    def add(self, image: DrawnImage) -> DrawnImage:
        """Add an image, whose boxes may be added later, and return it."""
        self.drawn.append(image)
        return image

    def leave_out(self, kind: str, where: str, text: str, images: int = 0, boxes: int = 0) -> None:
        """Record that images or boxes are left out."""
        self.issues.append(LeftOut(kind, where, text, images, boxes))

    def labeled_set(self) -> LabeledSet:
        """Return the images whose files exist and can be read, with their usable boxes.

        Raises:
            UserError: There are no images or no boxes, or most boxes do not fit their images.
        """
        located = self._located()
        found = sum(issue.images for issue in self.issues if isinstance(issue, LeftOut)) + len(located)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            paths = [path for path, _ in located]
            facts = list(tqdm(pool.map(image_facts, paths), total=len(paths), desc='reading images', disable=None))
        images = [
            labeled
            for (path, drawn), fact in zip(located, facts)
            if (labeled := self._labeled(path, drawn, fact)) is not None
        ]
        if not images:
            reasons = [issue for issue in self.issues if isinstance(issue, LeftOut) and issue.images] or self.issues
            because = f': {reasons[0]}' if reasons else ', and it names none'
            raise UserError(f'{self.root} has no image for the {found} of its {self.format_name} annotations{because}')
        self._check_boxes(images)
        if not any(image.boxes for image in images):
            lost = next((f': {issue}' for issue in self.issues if isinstance(issue, LeftOut) and issue.boxes), '')
            raise UserError(
                f'{self.root}: none of the {len(images)} images of its {self.format_name} annotations has a box{lost}'
            )
        images = self._without_repetitions(images)
        self._report_unlabeled({image.path for image in images})
        names = sorted({box.name for image in images for box in image.boxes})
        return LabeledSet(self.format_name, self.root, tuple(images), tuple(names), tuple(self.issues))

    def _located(self) -> list[tuple[Path, DrawnImage]]:
        """Return the images whose files exist."""
        located, missing = [], []
        for drawn in self.drawn:
            try:
                path = self.finder.find(drawn.names, drawn.file, drawn.split)
            except AmbiguousImage as error:
                text = f'{drawn.names[0]} may be {error}; give the folder of the images with --images'
                self.leave_out('ambiguous image', drawn.where, text, 1, len(drawn.boxes))
                continue
            if path is None:
                missing.append(drawn)
            else:
                located.append((path, drawn))
        for drawn in missing:
            text = f'there is no image {drawn.names[0] if drawn.names else ""} in {self.finder.folder}'
            if not located:
                text += '; give the folder of the images with --images'
            self.leave_out('missing image', drawn.where, text, 1, len(drawn.boxes))
        return located

    def _labeled(self, path: Path, drawn: DrawnImage, facts: ImageFacts) -> LabeledImage | None:
        """Return an image with its usable boxes, ``None`` if it is left out."""
        if facts.size is None:
            self.leave_out('unreadable image', drawn.where, f'{path}: {facts.unreadable}', 1, len(drawn.boxes))
            return None
        boxes = np.array([box.corners for box in drawn.boxes], float).reshape(-1, 4)
        annotated = drawn.size
        if drawn.fractions:
            boxes, annotated = boxes * np.tile(facts.size, 2), facts.size
        fitted, kind, text = fit_to_file(boxes, annotated, facts)
        if fitted is None:
            self.leave_out(kind, drawn.where, f'{path}: {text}', 1, len(boxes))
            return None
        if kind and not drawn.fractions:
            self.leave_out(kind, drawn.where, f'{path}: {text}')
        reasons = unusable(fitted, facts.size)
        kept = []
        for index, (box, corners) in enumerate(zip(drawn.boxes, fitted.tolist())):
            reason = next((reason for reason, mask in reasons.items() if mask[index]), None)
            if reason is None:
                kept.append(LabeledBox(box.name, tuple(corners), box.difficult, box.crowd, box.shape))
            else:
                values = ', '.join(f'{value:g}' for value in corners)
                text = f'{box.name} has the box ({values}) in {facts.size[0]}x{facts.size[1]} pixels'
                self.leave_out(reason, box.where, text, boxes=1)
        # The folder of an image tells its split where the annotation does not.
        split = drawn.split or split_of_path(path.parent, self.root)
        return LabeledImage(path, drawn.where, facts.size, tuple(kept), split)

    def _check_boxes(self, images: Sequence[LabeledImage]) -> None:
        """Check that most boxes can be used.

        Raises:
            UserError: They cannot, so that they are those of other images, or in another unit.
        """
        lost = [issue for issue in self.issues if issue.kind in UNUSABLE]
        total = len(lost) + sum(len(image.boxes) for image in images)
        if len(lost) > MAX_UNUSABLE * total:
            raise UserError(
                f'{len(lost)} of the {total} boxes in {self.root} ({self.format_name}) do not fit their images: they '
                f'may be those of other images, or of images of another size; the first is {lost[0]}'
            )

    def _without_repetitions(self, images: Iterable[LabeledImage]) -> list[LabeledImage]:
        """Return the images, each once in a split: of several descriptions, the first one with boxes."""
        by_path: dict[Path, dict[str | None, LabeledImage]] = defaultdict(dict)
        kept = []
        # A file without a split may hold all images once more, and one that was not finished has them without boxes.
        for image in sorted(images, key=lambda image: (image.split is None, not image.boxes)):
            described = by_path[image.path]
            same = described.get(image.split) or (next(iter(described.values()), None) if image.split is None else None)
            if same is None:
                described[image.split] = image
                kept.append(image)
            elif set(same.boxes) == set(image.boxes):
                self.leave_out('listed twice', image.where, f'{image.path.name} is also in {same.where}')
            else:
                text = f'{image.path.name} is also in {same.where}, which is taken, with {len(same.boxes)} boxes'
                self.leave_out('different boxes', image.where, text, boxes=len(image.boxes))
        return sorted(kept, key=lambda image: (image.split or '', image.path))

    def _report_unlabeled(self, labeled: set[Path]) -> None:
        unlabeled = [path for path in self.finder.files if path not in labeled]
        if unlabeled:
            names = ', '.join(path.name for path in unlabeled[:MAX_NAMED])
            more = ', ...' if len(unlabeled) > MAX_NAMED else ''
            text = f'{len(unlabeled)} image(s) have no usable annotation and are left out: {names}{more}'
            self.leave_out('not annotated', str(self.finder.folder), text)
