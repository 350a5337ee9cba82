"""Annotations in VOC layout: ``Annotations/*.xml``, ``JPEGImages/*.jpg`` and lists in ``ImageSets/Main``."""
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.parsers import expat

from .records import Annotations, Box, Fault, Picture

SPLITS = ('train', 'val', 'trainval', 'test')
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')


def read(root: Path, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read every image that a list names.

    Args:
        root: the folder with ``Annotations``.
        classes: known ones; ``None`` for all that occur.
    """
    lists, faults = _read_lists(root)
    members = {split: set(listed) for split, listed in lists.items()}
    names = list(dict.fromkeys(name for listed in lists.values() for name in listed))
    dropped, elements, pictures = set(), {}, []
    for name in names:
        path = root / 'Annotations' / f'{name}.xml'
        splits = {split for split, listed in members.items() if name in listed}
        try:
            element, lines = parse(path.read_bytes())
        except FileNotFoundError:
            faults.append(Fault('missing annotation', str(path), f'a list names {name}, but the file is missing'))
            dropped.add(name)
            continue
        except expat.ExpatError as error:
            faults.append(Fault('unreadable annotation', f'{path}:{error.lineno}', f'no XML: {expat.ErrorString(error.code)}'))
            dropped.add(name)
            continue
        elements[name] = element, ET.tostring(element, encoding='unicode')
        picture, found = _read_picture(root, name, path, element, lines, splits, dropped)
        faults += found
        pictures.append(picture)

    def write(target: Path) -> None:
        for folder in ('Annotations', 'ImageSets/Main'):
            (target / folder).mkdir(parents=True)
        for name, (element, original) in elements.items():
            path = root / 'Annotations' / f'{name}.xml'
            if name not in dropped:
                text = ET.tostring(element, encoding='unicode')
                # What is not repaired keeps its bytes.
                data = path.read_bytes() if text == original else f'{text}\n'.encode()
                (target / 'Annotations' / path.name).write_bytes(data)
        for split, listed in lists.items():
            kept = [name for name in dict.fromkeys(listed) if name not in dropped]
            (target / 'ImageSets/Main' / f'{split}.txt').write_text(''.join(f'{name}\n' for name in kept))
        (target / 'JPEGImages').symlink_to((root / 'JPEGImages').resolve())

    return Annotations(pictures, faults, write, 1, classes)


def _read_lists(root: Path) -> tuple[dict[str, list[str]], list[Fault]]:
    folder = root / 'ImageSets/Main'
    paths = [folder / f'{split}.txt' for split in SPLITS if (folder / f'{split}.txt').is_file()]
    if not paths:
        return {}, [Fault('missing list', str(folder), f'there is none of {", ".join(f"{split}.txt" for split in SPLITS)}')]
    lists, faults = {}, []
    for path in paths:
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
        lists[path.stem] = list(listed)
    return lists, faults


def _read_picture(root: Path, name: str, path: Path, element: ET.Element, lines: dict[ET.Element, int], splits: set[str],
                  dropped: set[str]) -> tuple[Picture, list[Fault]]:
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
        box = _read_box(element, node, f'{path}:{lines[node.find("bndbox") if node.find("bndbox") is not None else node]}')
        if isinstance(box, Fault):
            faults.append(box)
            element.remove(node)
        else:
            boxes.append(box)
    picture = Picture(root / 'JPEGImages' / f'{name}.jpg', str(path), size, boxes, splits, set_size, lambda: dropped.add(name))
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
        return Fault('incomplete object', where, f'{name} lacks one of {", ".join(CORNERS)}, or it or difficult is no number')

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

