"""CVAT for images 1.1: one XML file with the images and their shapes, in floats from 0.

https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.datasets.annotations.voc import InvalidAnnotation, parse
from ssd_plugin.errors import UserError, first_line

from .annotation_files import files_with_suffix, head
from .geometry import Corners, hull, turned_box, turned_ellipse
from .reading import DrawnBox, DrawnImage, Reading, class_name, number, size_of
from .split_names import split_of_path, split_of_subset

FORMAT = 'CVAT for images'
HEAD = 4096
# The root, with what follows it: VOC's root is <annotation>.
ROOT = re.compile(r'<annotations\b[^>]*>\s*(<version>|<meta>|<image\b|<track\b)')
YES = ('1', 'true', 'yes')
NO_BOXES = ('polyline', 'points', 'cuboid', 'skeleton')


def recognize(folder: Path) -> list[Path]:
    """Return the XML files of a folder whose root is ``annotations``."""
    return [path for path in files_with_suffix(folder, '.xml') if ROOT.search(head(path, HEAD))]


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read the images of XML files.

    Args:
        root: Folder of the dataset.
        files: The XML files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: A file cannot be read, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    for file in files:
        try:
            element = parse(file.read_bytes())
        except (OSError, InvalidAnnotation) as error:
            line = getattr(error, 'line', None)
            raise UserError(f'{file}{f":{line}" if line else ""} cannot be read: {first_line(error)}') from error
        tracks = element.findall('track')
        if tracks and element.find('image') is None:
            raise UserError(
                f'{file} describes a video ({len(tracks)} tracks); export it as "CVAT for images 1.1" with its images'
            )
        if tracks:
            boxes = sum(len(track) for track in tracks)
            reading.leave_out('video', str(file), f'{len(tracks)} tracks of a video', boxes=boxes)
        for image in element.findall('image'):
            _read_image(reading, file, image, split_of_path(file, reading.root))
    return reading.labeled_set()


def _read_image(reading: Reading, file: Path, image: ET.Element, split: str | None) -> None:
    name = image.get('name', '')
    where = f'{file}: image {image.get("id")} ({name})'
    drawn = reading.add(
        DrawnImage(
            [name],
            file,
            where,
            size=size_of(image.get('width'), image.get('height')),
            split=split_of_subset(image.get('subset')) or split,
        )
    )
    for index, shape in enumerate(image):
        place = f'{where} {shape.tag}[{index}]'
        if shape.tag in NO_BOXES:
            reading.leave_out('unsupported shape', place, f'{shape.get("label")} is a {shape.tag}', boxes=1)
        elif shape.get('outside') == '1':
            reading.leave_out('video', place, f'{shape.get("label")} is outside of the frame', boxes=1)
        elif shape.tag in SHAPES:
            try:
                drawn.boxes.append(_drawn_box(shape, place))
            except ValueError as error:
                reading.leave_out('incomplete object', place, first_line(error), boxes=1)


def _drawn_box(shape: ET.Element, where: str) -> DrawnBox:
    attributes = {item.get('name', ''): (item.text or '').strip().lower() for item in shape.findall('attribute')}
    kind = 'polygon' if shape.tag != 'box' else 'rotated' if number(shape.get('rotation', 0)) % 180 else 'box'
    return DrawnBox(
        class_name(shape.get('label')),
        SHAPES[shape.tag](shape),
        where,
        attributes.get('difficult') in YES,
        # What CVAT makes of COCO's iscrowd.
        attributes.get('is_crowd') in YES,
        kind,
    )


def _numbers(shape: ET.Element, *names: str) -> list[float]:
    missing = [name for name in names if name not in shape.attrib]
    if missing:
        raise ValueError(f'it lacks {", ".join(missing)}')
    return [number(shape.attrib[name]) for name in names]


def _box(shape: ET.Element) -> Corners:
    x1, y1, x2, y2 = _numbers(shape, 'xtl', 'ytl', 'xbr', 'ybr')
    degrees = number(shape.get('rotation', 0))
    # Without a rotation, the corners stay as they are written.
    return turned_box(x1, y1, x2 - x1, y2 - y1, degrees) if degrees else (x1, y1, x2, y2)


def _polygon(shape: ET.Element) -> Corners:
    pairs = [point.split(',') for point in shape.get('points', '').split(';') if point]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError('its points are not pairs')
    return hull((number(x), number(y)) for x, y in pairs)


def _ellipse(shape: ET.Element) -> Corners:
    x, y, radius_x, radius_y = _numbers(shape, 'cx', 'cy', 'rx', 'ry')
    return turned_ellipse(x, y, radius_x, radius_y, number(shape.get('rotation', 0)))


def _mask(shape: ET.Element) -> Corners:
    x, y, width, height = _numbers(shape, 'left', 'top', 'width', 'height')
    return x, y, x + width, y + height


SHAPES: dict[str, Callable[[ET.Element], Corners]] = dict(box=_box, polygon=_polygon, ellipse=_ellipse, mask=_mask)
