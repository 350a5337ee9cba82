"""VOC annotations: one XML file for each image, and lists of image names.

Training (:mod:`ssd_plugin.datasets.xml_dataset`) and the dataset check read files through :func:`parse`,
:func:`image_size` and :func:`parse_object`, so that both apply the same rules.
"""

import math
import os
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ssd_plugin.datasets.image_files import SUFFIXES, ImageFinder

from .records import AnnotatedBox, AnnotatedImage, Annotations, Issue, check_remaining
from .repaired_copy import copy_of, link_images
from .text_lists import list_lines

SPLITS = ('train', 'val', 'trainval', 'test')
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
# How an annotation begins, and in how many bytes.
ROOT_TAG, START = re.compile(rb'<annotation[\s>]'), 4096
# VOC counts pixels from 1.
FIRST_PIXEL = 1
# Coordinates beyond this are no pixels, and larger ones would overflow.
LARGEST = 2**31


class InvalidAnnotation(ValueError):
    """An XML file or an object that cannot be used. The message gives the reason, ``line`` the line if it is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class VocObject:
    """An object of an XML file.

    Attributes:
        name: Class name.
        corners: xyxy in pixels as written, truncated to integers; NaN and infinities are kept, and numbers beyond
            :data:`LARGEST` are infinities.
        difficult: Whether the object is marked as difficult.
    """

    name: str
    corners: tuple[float, float, float, float]
    difficult: bool


def parse(data: bytes) -> ET.Element:
    """Return the root of an XML file.

    Raises:
        InvalidAnnotation: The data is not XML.
    """
    try:
        return ET.fromstring(data)
    except ET.ParseError as error:
        raise InvalidAnnotation(f'not valid XML: {expat.ErrorString(error.code)}', error.position[0]) from error
    except (LookupError, ValueError) as error:
        raise InvalidAnnotation(f'not valid XML: {error}', 1) from error


def image_size(root: ET.Element) -> tuple[int, int] | None:
    """Return the (width, height) that an XML file states, ``None`` if it has no ``size``, or one of 0 x 0.

    Raises:
        InvalidAnnotation: Width or height is missing, not an integer, or too large for an image.
    """
    node = root.find('size')
    if node is None:
        return None
    try:
        size = int(node.findtext('width', '')), int(node.findtext('height', ''))
    except ValueError as error:
        raise InvalidAnnotation('width or height is missing or not an integer') from error
    if size == (0, 0):
        # labelImg's size of an image that it cannot read.
        return None
    if max(size) > LARGEST:
        raise InvalidAnnotation('width or height is too large for an image')
    return size


def object_name(node: ET.Element) -> str:
    """Return the class name of an object.

    Raises:
        InvalidAnnotation: The object has no ``name``.
    """
    name = node.findtext('name')
    if name is None:
        raise InvalidAnnotation('an object has no name')
    return name


def parse_object(node: ET.Element) -> VocObject:
    """Return the content of an ``object`` element.

    Raises:
        InvalidAnnotation: The name, the box or a coordinate is missing, or a coordinate or ``difficult`` is not a
            number.
    """
    name, box = object_name(node), node.find('bndbox')
    if not name:
        raise InvalidAnnotation('an object has an empty name')
    if box is None:
        raise InvalidAnnotation(f'{name} has no bndbox')
    try:
        x1, y1, x2, y2 = (float(box.findtext(tag, '')) for tag in CORNERS)
        corners = _hull((x1, y1, x2, y2), _rotation(node))
        difficult = int(node.findtext('difficult') or 0)
    except ValueError as error:
        raise InvalidAnnotation(
            f'{name} lacks one of {", ".join(CORNERS)}, or one of these or difficult is not a number'
        ) from error
    x1, y1, x2, y2 = map(_truncated, corners)
    return VocObject(name, (x1, y1, x2, y2), bool(difficult))


def _rotation_node(node: ET.Element) -> ET.Element | None:
    """Return the attribute in which CVAT writes the rotation of a box, ``None`` if there is none."""
    found = (a for a in node.iterfind('attributes/attribute') if a.findtext('name') == 'rotation')
    return next(found, None)


def _rotation(node: ET.Element) -> float:
    """Return the rotation of a box about its center, clockwise in degrees.

    Raises:
        ValueError: It is not a number.
    """
    attribute = _rotation_node(node)
    return 0.0 if attribute is None else float(attribute.findtext('value') or 0)


def _hull(corners: tuple[float, float, float, float], degrees: float) -> tuple[float, float, float, float]:
    """Return the smallest upright box around a rotated one."""
    if not degrees or not math.isfinite(degrees):
        return corners
    x1, y1, x2, y2 = corners
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    x, y, width, height = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    half_width, half_height = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def training_objects(root: ET.Element, is_known: Callable[[str], bool]) -> tuple[list[VocObject], list[str]]:
    """Return the objects of an XML file that training reads, and the class names of the others.

    Args:
        root: Root of the file.
        is_known: Whether a name is that of a class. Nothing but the name is read of objects of other classes.

    Raises:
        InvalidAnnotation: An object has no name, or one of a known class cannot be read or has coordinates that are not
            finite.
    """
    named = [(object_name(node), node) for node in root.findall('object')]
    objects = [parse_object(node) for name, node in named if is_known(name)]
    for found in objects:
        if not all(isinstance(value, int) for value in found.corners):
            raise InvalidAnnotation(f'{found.name} has coordinates that are not finite')
    return objects, [name for name, _ in named if not is_known(name)]


def _truncated(value: float) -> float:
    return int(value) if abs(value) <= LARGEST else value * math.inf


@dataclass(frozen=True)
class Layout:
    """The files of a dataset folder.

    Attributes:
        lists: List of image names of each split, or the folder with its XML files.
        required: Splits whose list must exist; of the others, one is enough.
        remedy: What to do where no list exists.
        annotation: Returns the XML file of an image, given the split and the image name.
        image: Returns the image file, given the split, the image name and the root of the XML file; raises
            :class:`InvalidAnnotation` if the XML file does not say where the image is.
        first_pixel: Coordinate of the first pixel.
        needs_size: Whether training needs the image size in the XML file.
        scales: Whether training takes the sizes of the files, and scales boxes of another resolution.
        folder: The folder that names of images are relative to.
    """

    lists: dict[str, Path]
    required: frozenset[str]
    remedy: str
    annotation: Callable[[str, str], Path]
    image: Callable[[str, str, ET.Element], Path]
    first_pixel: int
    needs_size: bool
    scales: bool = False
    folder: Path | None = None


def list_of(root: Path, split: str) -> Path:
    """Return the list of a split in VOC's own layout."""
    return root / 'ImageSets/Main' / f'{split}.txt'


def split_remedy(root: Path, train: str = 'trainval', test: str = 'test') -> str:
    """Return how to make lists for a folder that has none.

    Args:
        root: The folder.
        train: Name of the list of training images.
        test: Name of the list of test images.
    """
    names = '' if (train, test) == ('trainval', 'test') else f' --train-split {train} --test-split {test}'
    return f'tools/prepare_data.py split {root}{names} splits its images at random, into {train}.txt and {test}.txt'


def annotation_path(folder: Path, name: str) -> Path:
    """Return the XML file of an image.

    Args:
        folder: Folder of the XML files.
        name: Name of the image; folders that the XML files do not have are dropped.
    """
    path = folder / f'{name}.xml'
    if '/' in name and not path.is_file():
        beside = folder / f'{name.rsplit("/", 1)[1]}.xml'
        return beside if beside.is_file() else path
    return path


def is_annotation(path: Path) -> bool:
    """Return whether an XML file is an annotation in VOC's format, or may have been: it is empty."""
    with open(path, 'rb') as file:
        # Two bytes a character in UTF-16.
        start = file.read(START).replace(b'\0', b'')
    return not start.strip() or ROOT_TAG.search(start) is not None


def names_in(folder: Path, base: Path) -> list[str]:
    """Return the names of the images that have an XML file in a folder, at any depth.

    Args:
        folder: The folder.
        base: Folder that the names are relative to.

    Raises:
        IsADirectoryError: There is no XML file.
    """
    files = (path for path in folder.rglob('*.xml') if not path.name.startswith('.'))
    found = sorted(str(path.relative_to(base).with_suffix('')) for path in files if is_annotation(path))
    if not found:
        raise IsADirectoryError(f'{folder} is a folder without XML files of annotations')
    return found


def layout(
    root: Path,
    lists: Mapping[str, Path] | None = None,
    annotations: str = 'Annotations',
    images: str = 'JPEGImages',
    first_pixel: int = FIRST_PIXEL,
    scales: bool = False,
) -> Layout:
    """Return VOC's own layout: ``Annotations/*.xml``, ``JPEGImages/*`` and ``ImageSets/Main/*.txt``; or a similar one.

    Args:
        root: The folder.
        lists: Lists that must exist, by split, besides the usual ones; a folder stands for its XML files.
        annotations: Folder of the XML files in the folder.
        images: Folder of the images in the folder, in which they are found by their stem at any depth.
        first_pixel: Coordinate of the first pixel.
        scales: Whether training takes the sizes of the files, and scales boxes of another resolution.
    """
    finder = ImageFinder(root / images)
    folder = root / annotations
    return Layout(
        {**{split: list_of(root, split) for split in SPLITS}, **(lists or {})},
        frozenset(lists or {}),
        split_remedy(root),
        lambda split, name: annotation_path(folder, name),
        lambda split, name, element: finder.find(name, annotation_path(folder, name)) or root / images / f'{name}.jpg',
        first_pixel,
        needs_size=False,
        scales=scales,
        folder=folder,
    )


def read(
    root: Path, classes: tuple[str, ...] | None = None, lists: Mapping[str, Path] | None = None, **options: Any
) -> Annotations:
    """Read the annotations of every image that is listed in a folder with VOC's layout.

    Args:
        root: The folder.
        classes: Names of the known classes, ``None`` to accept all that occur.
        lists: Lists that must exist, by split, besides the usual ones.
        options: Other arguments of :func:`layout`.
    """
    return read_layout(root, layout(root, lists, **options), classes)


def read_layout(root: Path, files: Layout, classes: tuple[str, ...] | None) -> Annotations:
    """Read the annotations of every image that is listed in a folder.

    Args:
        root: The folder.
        files: The files in it.
        classes: Names of the known classes, ``None`` to accept all that occur.
    """
    lists, issues = _read_lists(files)
    # An image may be in several lists.
    listed: dict[Path, dict[str, str]] = defaultdict(dict)
    for split, names in lists.items():
        for name in names:
            listed[files.annotation(split, name)].setdefault(split, name)
    dropped: set[Path] = set()
    elements: dict[Path, tuple[ET.Element, str]] = {}
    images = []
    for path, named in listed.items():
        split, name = next(iter(named.items()))
        try:
            data = path.read_bytes()
            element = parse(data)
            image_path = files.image(split, name, element)
        except (OSError, InvalidAnnotation) as error:
            issues.append(_unreadable_file(path, name, error))
            dropped.add(path)
            continue
        elements[path] = element, ET.tostring(element, encoding='unicode')
        file = _XmlFile(path, element, _line_numbers(data, element), dropped)
        image, found = file.annotated_image(image_path, set(named), classes, files.needs_size)
        issues += found
        images.append(image)

    def write(target: Path) -> None:
        for path, (element, original) in elements.items():
            if path not in dropped:
                text = ET.tostring(element, encoding='unicode')
                # Files without repairs keep their bytes.
                data = path.read_bytes() if text == original else f'{text}\n'.encode()
                copy_of(path, root, target).write_bytes(data)
        for split, names in lists.items():
            kept = [name for name in names if files.annotation(split, name) not in dropped]
            check_remaining(files.lists[split], len(names), len(kept))
            if not files.lists[split].is_dir():
                copy_of(files.lists[split], root, target).write_text(''.join(f'{name}\n' for name in kept))
        link_images((image.path for image in images if image.path.is_file()), root, target)

    return Annotations(images, issues, write, files.first_pixel, classes, scales=files.scales)


def _read_lists(files: Layout) -> tuple[dict[str, list[str]], list[Issue]]:
    """Return the distinct image names of each split, and the issues of the lists."""
    paths = {split: path for split, path in files.lists.items() if path.exists()}
    if not paths:
        folder = next(iter(files.lists.values())).parent
        wanted = ', '.join(path.name for path in files.lists.values())
        return {}, [Issue('missing list', str(folder), f'none of {wanted} exists{files.remedy and "; "}{files.remedy}')]
    lists: dict[str, list[str]] = {}
    issues = [
        Issue('missing list', str(files.lists[split]), 'the config names it, but it is missing')
        for split in sorted(files.required - paths.keys())
    ]
    for split, path in paths.items():
        try:
            lines = names_in(path, files.folder or path) if path.is_dir() else list_lines(path.read_bytes())
        except (OSError, ValueError) as error:
            issues.append(Issue('unreadable list', str(path), f'it cannot be read: {error}'))
            continue
        listed: dict[str, int] = {}
        for number, name in enumerate(listed_names(lines, partial(files.annotation, split)), 1):
            if name and name in listed:
                issues.append(Issue('listed twice', f'{path}:{number}', f'{name} is already in line {listed[name]}'))
            elif name:
                listed[name] = number
        if not listed:
            issues.append(Issue('empty list', str(path), 'it lists no image'))
        lists[split] = list(listed)
    return lists, issues


def listed_names(lines: Iterable[str], annotation: Callable[[str], Path]) -> list[str]:
    """Return the image names of the lines of a list, empty for blank lines.

    Other tools list files: the suffix of an image file is dropped, unless an XML file is named after it.

    Args:
        lines: Lines of the list.
        annotation: Returns the XML file of an image name.
    """
    return [_without_suffix(line.strip().replace('\\', '/'), annotation) for line in lines]


def _without_suffix(name: str, annotation: Callable[[str], Path]) -> str:
    stem, dot, suffix = name.rpartition('.')
    is_file = f'{dot}{suffix}'.lower() in SUFFIXES and not os.path.exists(annotation(name))
    return stem if is_file else name


def _unreadable_file(path: Path, name: str, error: OSError | InvalidAnnotation) -> Issue:
    if isinstance(error, FileNotFoundError):
        return Issue('missing annotation', str(path), f'a list names {name}, but the file is missing')
    if isinstance(error, InvalidAnnotation):
        return Issue('unreadable annotation', f'{path}:{error.line}' if error.line else str(path), str(error))
    return Issue('unreadable annotation', str(path), f'it cannot be read: {error.strerror}')


def _line_numbers(data: bytes, root: ET.Element) -> dict[ET.Element, int]:
    """Return the line on which each element of a parsed XML file starts."""
    # ElementTree does not keep line numbers; both parsers meet the elements in document order.
    lines: list[int] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda tag, attributes: lines.append(parser.CurrentLineNumber)
    parser.Parse(data, True)
    return dict(zip(root.iter(), lines))


@dataclass(frozen=True)
class _XmlFile:
    """A parsed XML file.

    Attributes:
        path: The file.
        root: Its root element, which repairs change.
        lines: The line of each element.
        dropped: Collects the files that the repaired copy omits.
    """

    path: Path
    root: ET.Element
    lines: dict[ET.Element, int]
    dropped: set[Path]

    def annotated_image(
        self, image: Path, splits: set[str], classes: tuple[str, ...] | None, needs_size: bool
    ) -> tuple[AnnotatedImage, list[Issue]]:
        """Return the image with its usable objects, and the issues of the file."""
        issues, boxes, size = [], [], None
        try:
            size = image_size(self.root)
            if size is None:
                issues.append(Issue('wrong size' if needs_size else 'missing size', f'{self.path}:1', 'it has no size'))
        except InvalidAnnotation as error:
            node = self.root.find('size')
            line = 1 if node is None else self.lines[node]
            issues.append(Issue('wrong size', f'{self.path}:{line}', str(error)))
        for node in self.root.findall('object'):
            box = node.find('bndbox')
            where = f'{self.path}:{self.lines[node if box is None else box]}'
            try:
                boxes.append(self._annotated_box(node, where))
            except InvalidAnnotation as error:
                # Training skips objects of other classes, whatever else is wrong with them.
                name = node.findtext('name')
                skipped = classes is not None and name is not None and name not in classes
                issues.append(Issue('unknown class' if skipped else 'incomplete object', where, str(error)))
                self.root.remove(node)
        drop = self.dropped.add
        return AnnotatedImage(
            image, str(self.path), size, boxes, splits, self._set_size, lambda: drop(self.path)
        ), issues

    def _annotated_box(self, node: ET.Element, where: str) -> AnnotatedBox:
        found = parse_object(node)

        def set_corners(corners: tuple[float, float, float, float]) -> None:
            for tag, value in zip(CORNERS, corners):
                _child(_child(node, 'bndbox'), tag).text = f'{value:g}'
            attribute = _rotation_node(node)
            if attribute is not None:
                # The corners are those of the upright box.
                _child(attribute, 'value').text = '0.0'

        def set_name(name: str) -> None:
            _child(node, 'name').text = name

        return AnnotatedBox(found.name, found.corners, where, set_corners, set_name, lambda: self.root.remove(node))

    def _set_size(self, size: tuple[int, int]) -> None:
        for tag, value in zip(('width', 'height'), size):
            _child(_child(self.root, 'size'), tag).text = str(value)


def _child(parent: ET.Element, tag: str) -> ET.Element:
    """Return the first child with a tag, which is added if there is none."""
    found = parent.find(tag)
    return ET.SubElement(parent, tag) if found is None else found
