"""YOLO's text files: a label file for each image.

Ultralytics, Roboflow, darknet, CVAT, labelImg and Label Studio write them, each in other folders. A line is
``class cx cy w h``, in fractions of the width and the height of the image, or ``class x1 y1 x2 y2 x3 y3 ...``, a
polygon, of which the box is read. An image whose label file is missing or empty has no objects. Training
(:class:`ssd_plugin.datasets.yolo.YOLODataset`) and the dataset check read through :func:`read_labels` and
:func:`skip_reasons`, so that both apply the same rules.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from ssd_plugin.datasets.image_files import images_below
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, size_of_file
from ssd_plugin.errors import UnusableData

from .box_rules import NO_AREA, NOT_FINITE, OUTSIDE, SWAPPED, unusable
from .records import AnnotatedBox, AnnotatedImage, Annotations, Issue, check_remaining, unreadable
from .repaired_copy import copy_of, link_images
from .text_lists import list_lines

# Files with the class names, in the order in which they are looked for.
NAME_FILES = ('data.yaml', 'dataset.yaml', 'obj.names', 'classes.txt', '_darknet.labels', 'classes.names')
# Keys of the splits in data.yaml and obj.data.
YAML_SPLITS = ('train', 'val', 'valid', 'test')
IMAGES, LABELS = 'images', 'labels'
# Numbers may leave 0..1 by this much: tools round, and clip or not.
TOLERANCE = 0.01
OTHER_CLASS, NOT_FRACTIONS = 'unknown class', 'not fractions'
EXPLANATIONS = {
    NOT_FRACTIONS: 'its numbers are not fractions of the width and the height of the image; are they pixels?',
    NOT_FINITE: 'its numbers are not finite',
    SWAPPED: 'its width or height is negative',
    NO_AREA: 'its box has no area',
    OUTSIDE: 'its box is completely outside the image',
}
DRIVE = re.compile(r'^[A-Za-z]:')
# Threads that read headers of images: most of the time is spent waiting for the disk.
READERS = 16


@dataclass(frozen=True)
class Label:
    """A line of a label file.

    Attributes:
        line: Its number.
        index: Class index.
        corners: xyxy as fractions of the width and the height of the image.
        in_range: Whether all numbers of the line are fractions.
        shape: ``'box'`` or ``'polygon'``.
    """

    line: int
    index: int
    corners: tuple[float, float, float, float]
    in_range: bool
    shape: str = 'box'


def label_file(image: Path) -> Path:
    """Return the label file of an image: below ``labels`` instead of ``images``, or beside the image.

    A file that exists in neither place is returned where the others are: below ``labels`` if there is such a folder.
    """
    beside = image.with_suffix('.txt')
    parts = image.parts
    if IMAGES not in parts[:-1]:
        return beside
    last = len(parts) - 2 - parts[-2::-1].index(IMAGES)
    below = Path(*parts[:last], LABELS, *parts[last + 1 : -1], beside.name)
    if below.is_file():
        return below
    is_beside = beside.is_file() or not Path(*parts[:last], LABELS).is_dir()
    return beside if is_beside else below


def read_labels(data: bytes, keypoints: bool = False) -> tuple[list[Label], list[tuple[int, str]]]:
    """Return the labels of a file, and the line and the reason of each line that cannot be read.

    Args:
        data: Content of the file.
        keypoints: Whether points of a pose, not of a polygon, follow the box.

    Raises:
        ValueError: It is not text.
    """
    labels, unreadable = [], []
    for number, line in enumerate(list_lines(data), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            labels.append(_label(number, fields, keypoints))
        except ValueError as error:
            unreadable.append((number, str(error)))
    return labels, unreadable


def _label(line: int, fields: list[str], keypoints: bool) -> Label:
    """Return the label of a line.

    Raises:
        ValueError: The line is none.
    """
    try:
        index, *values = (float(field) for field in fields)
    except ValueError:
        raise ValueError(f'it has something other than numbers: {_short(" ".join(fields))}') from None
    if not index.is_integer():
        raise ValueError(f'the class index is {fields[0]}, not an integer')
    # A class index, four numbers of a box, and the points of a pose.
    if keypoints and len(values) > 4:
        values = values[:4]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise ValueError(
            f'it has {len(fields)} numbers; a box has five, and a polygon a class index and three points or more'
        )
    in_range = all(-TOLERANCE <= value <= 1 + TOLERANCE for value in values)
    if len(values) > 4:
        points = np.array(values).reshape(-1, 2)
        # Both pass NaN on.
        (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return Label(line, int(index), (x1, y1, x2, y2), in_range, 'polygon')
    cx, cy, width, height = values
    return Label(line, int(index), (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2), in_range)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f'{text[:40]}...'


def pixels(labels: Sequence[Label], size: tuple[int, int]) -> np.ndarray:
    """Return the boxes of labels in an image of a size (width, height), ``(N, 4)`` xyxy in pixels."""
    return np.array([label.corners for label in labels], float).reshape(-1, 4) * (*size, *size)


def skip_reasons(labels: Sequence[Label], classes: int, size: tuple[int, int]) -> list[str]:
    """Return why training skips each label, an empty text if it does not.

    Args:
        labels: Labels of an image.
        classes: Number of classes.
        size: (width, height) of the image.
    """
    boxes = unusable(pixels(labels, size), size)
    found = []
    for number, label in enumerate(labels):
        if not 0 <= label.index < classes:
            found.append(OTHER_CLASS)
            continue
        reason = next((reason for reason, mask in boxes.items() if mask[number]), '')
        # Not finite is the plainer reason.
        finite = np.isfinite(label.corners).all()
        found.append(NOT_FRACTIONS if finite and not label.in_range else reason)
    return found


def explanation(label: Label, reason: str, classes: int) -> str:
    """Return a sentence that says why training skips a label.

    Args:
        label: The label.
        reason: A reason of :func:`skip_reasons`.
        classes: Number of classes.
    """
    if reason == OTHER_CLASS:
        return f'its class index is {label.index}, and there are {classes} classes, numbered from 0'
    return EXPLANATIONS[reason]


@dataclass(frozen=True)
class Layout:
    """The files of a YOLO folder.

    Attributes:
        root: The folder.
        names: Class names by index.
        splits: For each split, the folders of images and the lists of images.
        names_file: The file with the class names, ``None`` if there is none.
        keypoints: Whether points of a pose follow the boxes.
    """

    root: Path
    names: tuple[str, ...]
    splits: Mapping[str, tuple[Path, ...]]
    names_file: Path | None = None
    keypoints: bool = False


def names_of(path: Path) -> tuple[str, ...]:
    """Return the class names in a file: ``data.yaml``, or text with a name in each line.

    Raises:
        UnusableData: There are none.
    """
    if path.suffix.lower() in ('.yaml', '.yml'):
        return yaml_names(load_yaml(path), path)
    try:
        names = tuple(line.strip() for line in list_lines(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise UnusableData(f'the class names {path} cannot be read: {error}') from error
    while names and not names[-1]:
        names = names[:-1]
    if not names:
        raise UnusableData(f'{path} has no class names')
    return names


def load_yaml(path: Path) -> dict:
    """Return the content of a YAML file, in which all values are text: ``no`` and ``1`` are names like others.

    Raises:
        UnusableData: It cannot be read, or is not a mapping.
    """
    try:
        content = yaml.load(path.read_bytes().decode('utf-8-sig'), yaml.BaseLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise UnusableData(f'{path} cannot be read: {reason}') from error
    if not isinstance(content, dict):
        raise UnusableData(f'{path} has no keys, such as names and train')
    return content


def yaml_names(content: dict, path: Path) -> tuple[str, ...]:
    """Return the class names of a ``data.yaml``: of ``names``, a list or a mapping, or ``class_N`` for ``nc`` classes.

    Raises:
        UnusableData: They are missing, or not numbered from 0, or others than ``nc`` says.
    """
    names, count = content.get('names') or None, content.get('nc')
    if count is not None and not (isinstance(count, str) and count.strip().isdecimal()):
        raise UnusableData(f'{path}: nc is {count!r}, not the number of classes')
    if isinstance(names, dict):
        numbers = {int(key): value for key, value in names.items() if str(key).isdecimal()}
        if len(numbers) != len(names) or sorted(numbers) != list(range(len(names))):
            raise UnusableData(f'{path}: the classes of names are not numbered consecutively from 0')
        names = [numbers[number] for number in range(len(numbers))]
    if names is None and count:
        names = [f'class_{number}' for number in range(int(count))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        raise UnusableData(f'{path} has no class names (names)')
    if count is not None and int(count) != len(names):
        raise UnusableData(f'{path}: nc is {count}, but names has {len(names)} classes')
    return tuple(names)


def layout_of_yaml(path: Path) -> Layout:
    """Return the files that a ``data.yaml`` names. Splits that lie nowhere are left out.

    Raises:
        UnusableData: It cannot be used; the message says why.
    """
    content = load_yaml(path)
    names = yaml_names(content, path)
    home = path.parent
    # Ultralytics' `path` is often that of another machine.
    root = located(home, content['path'], Path.is_dir) if isinstance(content.get('path'), str) else None
    splits: dict[str, tuple[Path, ...]] = {}
    texts: dict[tuple[Path, ...], list[str]] = {}
    for key in YAML_SPLITS:
        written = content.get(key) or []
        written = [written] if isinstance(written, str) else written
        if not isinstance(written, list) or not all(isinstance(text, str) for text in written):
            raise UnusableData(f'{path}: {key} is neither a path nor a list of paths')
        found = [_first_located((root or home, home), text) for text in written]
        sources = tuple(source for source in found if source is not None)
        # Of ../train/images and ../valid/images, images alone may be left.
        if sources and texts.setdefault(sources, written) == written:
            splits[key] = sources
    return Layout(home, names, splits, path, keypoints='kpt_shape' in content)


def _first_located(roots: Iterable[Path], text: str) -> Path | None:
    return next((found for root in roots if (found := located(root, text)) is not None), None)


def layout_of_darknet(path: Path) -> Layout:
    """Return the files that darknet's ``obj.data`` names: ``key = value`` in each line.

    Raises:
        UnusableData: It cannot be used; the message says why.
    """
    try:
        lines = list_lines(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnusableData(f'{path} cannot be read: {error}') from error
    content = {key.strip(): value.strip() for key, _, value in (line.partition('=') for line in lines)}
    root = path.parent
    names_file = located(root, content.get('names') or 'obj.names', Path.is_file)
    if names_file is None:
        raise UnusableData(f'{path} names no file with class names (names)')
    sources = {key: located(root, content[key]) for key in YAML_SPLITS if content.get(key)}
    splits = {key: (source,) for key, source in sources.items() if source is not None}
    return Layout(root, names_of(names_file), splits, names_file)


def find_names(root: Path) -> Path | None:
    """Return the file with the class names of a folder, ``None`` if there is none."""
    return next((root / name for name in NAME_FILES if (root / name).is_file()), None)


def located(root: Path, name: str, is_there: Callable[[Path], bool] = Path.exists) -> Path | None:
    """Find a file or folder that a list or ``data.yaml`` names, ``None`` if it is nowhere.

    Such paths are those of another machine: Windows paths, ``../`` that leads out of the folder, and
    ``data/obj_train_data`` where there is no folder ``data``. Where a path exists neither without its ``../`` nor as it
    is written, leading folders are dropped until the rest exists below the root.

    Args:
        root: Folder that relative paths begin at.
        name: The path as it is written.
        is_there: Tells whether a path is what is looked for.
    """
    text = name.strip().replace('\\', '/')
    path = Path(text)
    if path.is_absolute() and is_there(path):
        return path
    parts = [part for part in PurePosixPath(DRIVE.sub('', text)).parts if part not in ('/', '.')]
    while parts and parts[0] == '..':
        parts.pop(0)
    shortened = [root.joinpath(*parts[first:]) for first in range(len(parts))]
    # As it is written comes before a path without folders that it names.
    tried = [*shortened[:1], *([] if parts else [root]), root / text, *shortened[1:]]
    return next((candidate for candidate in tried if is_there(candidate)), None)


def listed_images(source: Path, root: Path) -> tuple[list[Path], list[Issue]]:
    """Return the images of a split, and the issues of its list.

    Args:
        source: A folder, whose images are found at any depth, or a list with an image file in each line.
        root: Folder of the dataset; the images of a list are looked for in it and beside the list.

    Raises:
        ValueError: The list is not text.
        OSError: It cannot be read.
    """
    if source.is_dir():
        found = images_below(source)
        issues = [] if found else [Issue('empty list', str(source), 'there is no image in the folder')]
        return found, issues
    first: dict[Path, int] = {}
    issues = []
    for number, line in enumerate(list_lines(source.read_bytes()), 1):
        if not line.strip():
            continue
        path = located(root, line, Path.is_file) or located(source.parent, line, Path.is_file)
        path = path or root / line.strip()
        if path in first:
            issues.append(Issue('listed twice', f'{source}:{number}', f'{path} is already in line {first[path]}'))
        first.setdefault(path, number)
    if not first:
        issues.append(Issue('empty list', str(source), 'it lists no image'))
    return list(first), issues


def read_sizes(images: Iterable[Path]) -> list[tuple[int, int] | None]:
    """Return the (width, height) of image files, ``None`` for those that are missing or cannot be read."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(_size, images))


def _size(image: Path) -> tuple[int, int] | None:
    try:
        return size_of_file(str(image))
    except (OSError, UnreadableImage):
        return None


def read(layout: Layout, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read the labels of all images of a folder.

    Args:
        layout: The files of the folder.
        classes: Names of the known classes, ``None`` for all.
    """
    return _YoloFolder(layout).annotations(classes or layout.names)


def read_lists(
    root: Path,
    classes: tuple[str, ...] | None,
    lists: Mapping[str, Path],
    names_file: str | None = None,
    keypoints: bool = False,
) -> Annotations:
    """Read the labels of the images that a config names, with the class names that training takes.

    Args:
        root: Folder of the dataset.
        classes: Classes of the config, ``None`` for all.
        lists: Folder of images, or list of images, by split.
        names_file: File with the class names in the folder, ``None`` for the classes of the config.
        keypoints: Whether points of a pose follow the boxes.
    """
    try:
        path, names = class_names(root, names_file, classes)
    except UnusableData as error:
        return unreadable(Issue('unreadable annotation', str(root), str(error)))
    sources = {split: (source,) for split, source in lists.items()}
    return read(Layout(root, names, sources, path, keypoints), classes)


def class_names(
    root: Path, names_file: str | None, classes: Sequence[str] | None
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the file with the class names, ``None`` if the classes of the config are the names, and the names.

    Args:
        root: Folder of the dataset.
        names_file: File in it, ``None`` to take the classes of the config or, without these, the first usual file.
        classes: Classes of the config.

    Raises:
        UnusableData: There are no names, or a class of the config is not among them.
    """
    path = root / names_file if names_file else None
    if path is None and classes:
        return None, tuple(classes)
    path = path or find_names(root)
    if path is None:
        raise UnusableData(f'{root} has none of {", ".join(NAME_FILES)} with the class names; set metainfo.classes')
    names = names_of(path)
    unknown = [name for name in classes or () if name not in names]
    if unknown:
        raise UnusableData(f'{path} lacks the class {unknown[0]!r} of metainfo.classes; it has {", ".join(names)}')
    return path, names


class _YoloFolder:
    """The images of a folder, the issues found, and what the repaired copy changes and omits."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.issues: list[Issue] = []
        self.dropped: set[Path] = set()
        # By label file: its lines, which repairs replace or remove.
        self.lines: dict[Path, dict[int, str | None]] = {}

    def annotations(self, classes: tuple[str, ...]) -> Annotations:
        """Return the images with their boxes, and the issues of the folder."""
        listed: dict[Path, set[str]] = defaultdict(set)
        for split, sources in self.layout.splits.items():
            for source in sources:
                try:
                    images, issues = listed_images(source, self.layout.root)
                except FileNotFoundError:
                    images, issues = [], [Issue('missing list', str(source), 'the list or folder is missing')]
                except (OSError, ValueError) as error:
                    images, issues = [], [Issue('unreadable list', str(source), f'it cannot be read: {error}')]
                self.issues += issues
                for image in images:
                    listed[image].add(split)
        sizes = read_sizes(listed)
        files = {image: label_file(image) for image in listed}
        images = [self._image(image, files[image], size, listed[image]) for image, size in zip(listed, sizes)]
        if listed and not any(file.is_file() for file in files.values()):
            image, file = next(iter(files.items()))
            text = f'none of the {len(files)} images has a label file; that of {image} would be {file}'
            self.issues.append(Issue('missing annotation', str(self.layout.root), text))
        return Annotations(images, self.issues, partial(self._write, listed, files), 0, classes)

    def _image(self, image: Path, file: Path, size: tuple[int, int] | None, splits: set[str]) -> AnnotatedImage:
        boxes = self._boxes(file, size) if size else []
        drop = partial(self.dropped.add, image)
        where = str(file) if file.is_file() else str(image)
        return AnnotatedImage(image, where, size, boxes, splits, lambda size: None, drop)

    def _boxes(self, file: Path, size: tuple[int, int]) -> list[AnnotatedBox]:
        """Return the boxes in a label file, and note the issues of its lines."""
        try:
            data = file.read_bytes()
            labels, malformed = read_labels(data, self.layout.keypoints)
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            self.issues.append(Issue('unreadable annotation', str(file), f'it cannot be read: {error}'))
            self.lines[file] = {}
            return []
        names = self.layout.names
        lines: dict[int, str | None] = dict(enumerate(list_lines(data), 1))
        self.lines[file] = lines
        for line, reason in malformed:
            self.issues.append(Issue('incomplete object', f'{file}:{line}', reason))
            lines[line] = None
        boxes = []
        rows = zip(labels, skip_reasons(labels, len(names), size), pixels(labels, size).tolist())
        for label, reason, (x1, y1, x2, y2) in rows:
            where = f'{file}:{label.line}'
            # The check of all formats reports and repairs the other bad boxes.
            if reason in (OTHER_CLASS, NOT_FRACTIONS):
                self.issues.append(Issue(reason, where, explanation(label, reason, len(names))))
                lines[label.line] = None
                continue
            boxes.append(
                AnnotatedBox(
                    names[label.index],
                    (x1, y1, x2, y2),
                    where,
                    partial(_set_corners, lines, label, size),
                    # The names are in another file.
                    lambda name: None,
                    partial(lines.__setitem__, label.line, None),
                )
            )
        return boxes

    def _write(self, listed: Mapping[Path, set[str]], files: Mapping[Path, Path], target: Path) -> None:
        """Write the repaired label files and lists into a folder, with links to the images."""
        root = self.layout.root
        kept = [image for image in listed if image not in self.dropped]
        check_remaining(root, len(listed), len(kept))
        for image in kept:
            lines = self.lines.get(files[image])
            if lines is not None:
                text = ''.join(f'{line}\n' for line in lines.values() if line is not None)
                copy_of(files[image], root, target).write_text(text)
        for split, sources in self.layout.splits.items():
            for source in sources:
                if source.is_file():
                    names = [_relative(image, root) for image in kept if split in listed[image]]
                    copy_of(source, root, target).write_text(''.join(f'{name}\n' for name in names))
        if self.layout.names_file is not None:
            copy_of(self.layout.names_file, root, target).write_bytes(self.layout.names_file.read_bytes())
        link_images(kept, root, target)


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _set_corners(
    lines: dict[int, str | None], label: Label, size: tuple[int, int], corners: tuple[float, float, float, float]
) -> None:
    """Replace a line by a box with corners in pixels."""
    x1, y1, x2, y2 = np.divide(corners, (*size, *size)).tolist()
    box = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    lines[label.line] = ' '.join([str(label.index), *(f'{value:.9g}' for value in box)])
