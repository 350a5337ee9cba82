"""LabelMe: one JSON file for each image, with shapes of points in pixels.

https://github.com/wkentaro/labelme; AnyLabeling and X-AnyLabeling write it as well.
"""

import math
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import UserError, first_line

from .annotation_files import files_with_suffix, load_json
from .geometry import Corners, hull
from .json_outline import has_keys
from .reading import DrawnBox, DrawnImage, Reading, class_name, number, size_of
from .split_names import split_of_path

FORMAT = 'LabelMe'
# What is drawn with each shape type that has a box. Old files have no types: all shapes are polygons.
SHAPES = {
    'rectangle': 'box',
    'polygon': 'polygon',
    'circle': 'polygon',
    'mask': 'polygon',
    'oriented_rectangle': 'rotated',
    'rotation': 'rotated',
    None: 'polygon',
}
# Labels that LabelMe's own conversions leave out.
NO_CLASSES = ('__ignore__', '_background_')


def recognize(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that have shapes, or a version and the image's data."""
    return [path for path in files_with_suffix(folder, '.json') if _is_labelme(path)]


def _is_labelme(path: Path) -> bool:
    # The image's data may be so long that the shapes come too late to be seen.
    return any(
        has_keys(path, *((key,) for key in keys))
        for keys in (('shapes', 'version'), ('shapes', 'imagePath'), ('shapes', 'flags'), ('imageData',))
    ) or has_keys(path, ('shapes',), ('shapes', '[]', 'points'))


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read images with a JSON file each.

    Args:
        root: Folder of the dataset.
        files: The JSON files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: No image can be used.
    """
    reading = Reading(FORMAT, root, images)
    for file in files:
        try:
            content = load_json(file)
        except UserError as error:
            reading.leave_out('unreadable annotation', str(file), str(error), images=1)
            continue
        shapes = content.get('shapes') if isinstance(content, dict) else None
        if not isinstance(shapes, list):
            reading.leave_out('incomplete object', str(file), 'it has no list of shapes', images=1)
            continue
        # The name of a file may be that of a split by chance.
        _read_image(reading, file, content, shapes, split_of_path(file.parent, reading.root))
    return reading.labeled_set()


def _read_image(reading: Reading, file: Path, content: dict, shapes: list, split: str | None) -> None:
    named = content.get('imagePath')
    names = [named, file.stem] if isinstance(named, str) and named else [file.stem]
    size = size_of(content.get('imageWidth'), content.get('imageHeight'))
    drawn = reading.add(DrawnImage(names, file, str(file), size=size, split=split))
    for index, shape in enumerate(shapes):
        place = f'{file}: shapes[{index}]'
        kind = shape.get('shape_type') if isinstance(shape, dict) else None
        if kind not in SHAPES:
            reading.leave_out('unsupported shape', place, f'{shape.get("label")} is a {kind}', boxes=1)
            continue
        try:
            corners = _corners(shape, kind)
            name = class_name(shape['label'])
        except (KeyError, TypeError, ValueError) as error:
            text = f'it lacks {error}' if isinstance(error, KeyError) else first_line(error)
            reading.leave_out('incomplete object', place, text, boxes=1)
            continue
        if name in NO_CLASSES:
            reading.leave_out('marked to be ignored', place, f'its label is {name}', boxes=1)
            continue
        drawn.boxes.append(DrawnBox(name, corners, place, shape.get('difficult') is True, shape=SHAPES[kind]))


def _corners(shape: dict[str, Any], kind: str | None) -> Corners:
    """Return xyxy of a shape: the points of a rectangle may be any two opposite corners.

    Raises:
        KeyError: It has no points.
        TypeError: A point is not a list.
        ValueError: A point has other than two coordinates, or these are not numbers.
    """
    points = [(number(x), number(y)) for x, y in shape['points']]
    if kind == 'circle' and len(points) == 2:
        # The center, and a point of the circle.
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, x + radius, y + radius
    if len(points) < 2:
        raise ValueError(f'it has {len(points)} point(s)')
    return hull(points)
