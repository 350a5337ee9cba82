"""CVAT's COCO with rotated boxes: ``bbox`` is the box before the rotation, whose angle is an attribute.

Files without a rotation are read where they lie. These are imported, so that COCO's metric compares with the hulls.
"""

import mmap
import re
from pathlib import Path

from ssd_plugin.datasets.annotations.coco_rules import LISTS, by_id, incompleteness, load
from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import UserError, first_line

from .annotation_files import files_with_suffix
from .geometry import turned_box
from .json_outline import outline
from .reading import DrawnBox, DrawnImage, Reading, class_name, number, size_of
from .split_names import split_of_path

FORMAT = 'CVAT COCO with rotated boxes'
# An angle other than 0.
ROTATION = re.compile(rb'"rotation"\s*:\s*-?(?!0+(?:\.0*)?\s*[,}])[0-9]')


def recognize(folder: Path) -> list[Path]:
    """Return the COCO files of a folder that have an annotation with a rotation."""
    return [path for path in files_with_suffix(folder, '.json') if _is_rotated(path)]


def _is_rotated(path: Path) -> bool:
    if not any(len(keys) == 1 and keys[0] in LISTS for keys in outline(path)):
        return False
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b'"attributes"') >= 0 and ROTATION.search(content) is not None


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read the images of COCO files.

    Args:
        root: Folder of the dataset.
        files: The JSON files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: A file cannot be read, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    for file in files:
        try:
            _, lists = load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(f'{file} cannot be read: {first_line(error)}') from error
        _read_file(reading, file, dict(zip(LISTS, lists)))
    return reading.labeled_set()


def _read_file(reading: Reading, file: Path, lists: dict[str, list]) -> None:
    complete: dict[str, list[tuple[str, dict]]] = {}
    for key, entries in lists.items():
        complete[key] = []
        for index, entry in enumerate(entries):
            where, reason = f'{file}: {key}[{index}]', incompleteness(entry, LISTS[key])
            if reason:
                reading.leave_out('incomplete object', where, reason, key == 'images', key == 'annotations')
            else:
                complete[key].append((where, entry))
    split = split_of_path(file, reading.root)
    drawn = {
        image['id']: reading.add(
            DrawnImage(
                [image['file_name']],
                file,
                f'{where} ({image["file_name"]})',
                size=size_of(image['width'], image['height']),
                split=split,
            )
        )
        for where, image in complete['images']
    }
    categories = by_id(category for _, category in complete['categories'])
    for where, annotation in complete['annotations']:
        owner, category = drawn.get(annotation['image_id']), categories.get(annotation['category_id'])
        if owner is None or category is None:
            kind, key = ('unknown class', 'category_id') if owner else ('unknown image', 'image_id')
            reading.leave_out(kind, where, f'its {key} is {annotation[key]}, which the file lacks', boxes=1)
            continue
        try:
            attributes = annotation.get('attributes')
            degrees = number(attributes.get('rotation') or 0) if isinstance(attributes, dict) else 0.0
            x, y, width, height = annotation['bbox']
            corners = turned_box(x, y, width, height, degrees)
            name = class_name(category['name'])
        except ValueError as error:
            reading.leave_out('incomplete object', where, first_line(error), boxes=1)
            continue
        shape = 'rotated' if degrees % 180 else 'box'
        owner.boxes.append(DrawnBox(name, corners, where, crowd=bool(annotation.get('iscrowd')), shape=shape))
