"""Annotations in VOC's format: an XML file for each image, and lists of images."""

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from ssd_plugin.datasets.image_files import by_name

from .records import Annotations, Box, Fault, Picture

SPLITS = ('train', 'val', 'trainval', 'test')
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


@dataclass(frozen=True)
class Layout:
    """Where things are in a folder.

    Attributes:
        lists: list of images of each split.
        annotation: XML file of an image, by split and name.
        image: image file, by split, name and the XML's root; raises ``ValueError`` where that does not say.
        first_pixel: number of the first pixel.
    """

    lists: dict[str, Path]
    annotation: Callable[[str, str], Path]
    image: Callable[[str, str, ET.Element], Path]
    first_pixel: int


def voc(root: Path) -> Layout:
    """VOC's own: ``Annotations/*.xml``, ``JPEGImages/*.jpg`` (or another suffix) and lists in ``ImageSets/Main``."""
    files = by_name(root / 'JPEGImages')
    return Layout(
        {split: root / 'ImageSets/Main' / f'{split}.txt' for split in SPLITS},
        lambda split, name: root / 'Annotations' / f'{name}.xml',
        lambda split, name, element: root / 'JPEGImages' / files.get(name, f'{name}.jpg'),
        1,
    )


def wider_face(root: Path) -> Layout:
    """That of MMDetection's ``WIDERFaceDataset``: ``train.txt``, ``WIDER_train/Annotations/*.xml`` and ``WIDER_train/FOLDER/*.jpg``,
    the folder named in the XML; ``val`` likewise."""

    def image(split: str, name: str, element: ET.Element) -> Path:
        folder = element.findtext('folder')
        if not folder:
            raise ValueError('it names no folder')
        return root / f'WIDER_{split}' / folder / f'{name}.jpg'

    return Layout(
        {split: root / f'{split}.txt' for split in ('train', 'val')},
        lambda split, name: root / f'WIDER_{split}' / 'Annotations' / f'{name}.xml',
        image,
        0,
    )


def read(root: Path, classes: tuple[str, ...] | None = None, layout: Callable[[Path], Layout] = voc) -> Annotations:
    """Read every image that a list names.

    Args:
        root: the folder with everything.
        classes: known ones; ``None`` for all that occur.
        layout: :func:`voc` or :func:`wider_face`.
    """
    places = layout(root)
    lists, faults = _read_lists(places)
    # An image may be in several lists.
    listed = defaultdict(dict)
    for split, names in lists.items():
        for name in names:
            listed[places.annotation(split, name)].setdefault(split, name)
    dropped, elements, pictures = set(), {}, []
    for path, named in listed.items():
        (split, name), fault = next(iter(named.items())), None
        try:
            element, lines = parse(path.read_bytes())
            image = places.image(split, name, element)
        except FileNotFoundError:
            fault = Fault('missing annotation', str(path), f'a list names {name}, but the file is missing')
        except expat.ExpatError as error:
            fault = Fault('unreadable annotation', f'{path}:{error.lineno}', f'no XML: {expat.ErrorString(error.code)}')
        except (OSError, ValueError) as error:
            fault = Fault('unreadable annotation', str(path), f'it cannot be read: {error}')
        if fault:
            faults.append(fault)
            dropped.add(path)
            continue
        elements[path] = element, ET.tostring(element, encoding='unicode')
        picture, found = _read_picture(image, path, element, lines, set(named), dropped)
        faults += found
        pictures.append(picture)

    def write(target: Path) -> None:
        for path, (element, original) in elements.items():
            if path not in dropped:
                text = ET.tostring(element, encoding='unicode')
                # What is not repaired keeps its bytes.
                data = path.read_bytes() if text == original else f'{text}\n'.encode()
                _copy_of(path, root, target).write_bytes(data)
        for split, names in lists.items():
            kept = [name for name in dict.fromkeys(names) if places.annotation(split, name) not in dropped]
            _copy_of(places.lists[split], root, target).write_text(''.join(f'{name}\n' for name in kept))
        for folder in {picture.path.parent for picture in pictures}:
            _copy_of(folder, root, target).symlink_to(folder.resolve())

    return Annotations(pictures, faults, write, places.first_pixel, classes)


def _copy_of(path: Path, root: Path, target: Path) -> Path:
    """Its place in another folder, which is made."""
    copy = target / path.relative_to(root)
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy


def _read_lists(places: Layout) -> tuple[dict[str, list[str]], list[Fault]]:
    paths = {split: path for split, path in places.lists.items() if path.is_file()}
    if not paths:
        first = next(iter(places.lists.values())).parent
        return {}, [
            Fault(
                'missing list', str(first), f'there is none of {", ".join(path.name for path in places.lists.values())}'
            )
        ]
    lists, faults = {}, []
    for split, path in paths.items():
        lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
        listed = {}
        for number, line in enumerate(lines, 1):
            name = line.strip()
            if name and name in listed:
                faults.append(Fault('listed twice', f'{path}:{number}', f'{name} is in line {listed[name]} already'))
            elif name:
                listed[name] = number
        if not listed:
            faults.append(Fault('empty list', str(path), 'it names no image'))
        lists[split] = list(listed)
    return lists, faults


def _read_picture(
    image: Path, path: Path, element: ET.Element, lines: dict[ET.Element, int], splits: set[str], dropped: set[Path]
) -> tuple[Picture, list[Fault]]:
    faults = []
    size, node = None, element.find('size')
    if node is None:
        faults.append(Fault('no size', f'{path}:1', 'there is no size'))
    else:
        try:
            size = int(node.findtext('width', '')), int(node.findtext('height', ''))
        except ValueError:
            faults.append(Fault('wrong size', f'{path}:{lines[node]}', 'width or height is missing or no whole number'))

    def set_size(found: tuple[int, int]) -> None:
        parent = element.find('size')
        parent = ET.SubElement(element, 'size') if parent is None else parent
        for tag, value in zip(('width', 'height'), found):
            child = parent.find(tag)
            child = ET.SubElement(parent, tag) if child is None else child
            child.text = str(value)

    boxes = []
    for node in element.findall('object'):
        box = _read_box(
            element, node, f'{path}:{lines[node.find("bndbox") if node.find("bndbox") is not None else node]}'
        )
        if isinstance(box, Fault):
            faults.append(box)
            element.remove(node)
        else:
            boxes.append(box)
    picture = Picture(image, str(path), size, boxes, splits, set_size, lambda: dropped.add(path))
    return picture, faults


def _read_box(parent: ET.Element, node: ET.Element, where: str) -> Box | Fault:
    name = node.findtext('name')
    if not name:
        return Fault('incomplete object', where, 'an object has no name')
    box = node.find('bndbox')
    if box is None:
        return Fault('incomplete object', where, f'{name} has no bndbox')
    try:
        corners = tuple(float(box.findtext(tag, '')) for tag in CORNERS)
        int(node.findtext('difficult', '0'))
    except ValueError:
        return Fault(
            'incomplete object', where, f'{name} lacks one of {", ".join(CORNERS)}, or it or difficult is no number'
        )

    def set_corners(found: tuple[float, ...]) -> None:
        for tag, value in zip(CORNERS, found):
            box.find(tag).text = f'{value:g}'

    def set_name(found: str) -> None:
        node.find('name').text = found

    return Box(name, corners, where, set_corners, set_name, lambda: parent.remove(node))


def parse(data: bytes) -> tuple[ET.Element, dict[ET.Element, int]]:
    """An XML file's root, and the line in which each element begins.

    Raises:
        expat.ExpatError: it is no XML.
    """
    parser, builder, lines = expat.ParserCreate(), ET.TreeBuilder(), {}

    def start(tag: str, attributes: dict) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, builder.end, builder.data
    parser.Parse(data, True)
    return builder.close(), lines
