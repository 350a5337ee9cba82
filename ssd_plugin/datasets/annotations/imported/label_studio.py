"""Label Studio JSON: one file with a list of tasks, whose regions are in percent of the image's sides.

https://labelstud.io/guide/task_format and https://labelstud.io/guide/export. Rotations are clockwise, those of
rectangles about the top-left corner.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.datasets.image_files import SUFFIXES
from ssd_plugin.errors import first_line

from .annotation_files import files_with_suffix, load_json
from .geometry import Corners, hull, turned_box, turned_ellipse
from .json_outline import ITEM, has_keys
from .reading import DrawnBox, DrawnImage, Reading, class_name, number, size_of
from .split_names import split_of_path

FORMAT = 'Label Studio'
# What uploads are prefixed with.
PREFIX = re.compile('[0-9a-f]{8}-')
LABELS, NO_BOXES = ('rectanglelabels', 'polygonlabels', 'ellipselabels', 'labels'), ('brushlabels', 'keypointlabels')
SHAPES = ('rectangle', 'polygon', 'ellipse')
VIDEO = 'videorectangle'


def recognize(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that are lists of tasks with annotations."""
    return [path for path in files_with_suffix(folder, '.json') if _is_label_studio(path)]


def _is_label_studio(path: Path) -> bool:
    # The task's data come after its annotations, which may be long.
    return has_keys(path, (ITEM, 'annotations')) and (
        has_keys(path, (ITEM, 'data')) or has_keys(path, (ITEM, 'annotations', ITEM, 'result'))
    )


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read the tasks of JSON files.

    Args:
        root: Folder of the dataset.
        files: The JSON files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: A file cannot be read, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    for file in files:
        split = split_of_path(file, reading.root)
        for index, task in enumerate(load_json(file)):
            _read_task(reading, file, f'{file}: [{index}]', task, split)
    return reading.labeled_set()


def _read_task(reading: Reading, file: Path, where: str, task: Any, split: str | None) -> None:
    names = _image_names(task) if isinstance(task, dict) else []
    annotations = task.get('annotations') if isinstance(task, dict) else None
    if not names or not isinstance(annotations, list):
        reading.leave_out('incomplete object', where, 'it names no image, or has no annotations', images=1)
        return
    where = f'{where} ({names[-1]})'
    annotations = [entry for entry in annotations if isinstance(entry, dict) and isinstance(entry.get('result'), list)]
    valid = [entry for entry in annotations if not entry.get('was_cancelled')]
    if not valid:
        kind, text = ('withdrawn annotation', 'was cancelled') if annotations else ('missing annotation', 'is missing')
        boxes = max((len(_regions(entry['result'])) for entry in annotations), default=0)
        reading.leave_out(kind, where, f'its annotation {text}', images=1, boxes=boxes)
        return
    # Of several annotators, the one whose work is marked as ground truth, or else the last one.
    _, chosen = max(enumerate(valid), key=lambda item: (bool(item[1].get('ground_truth')), _time(item[1]), item[0]))
    for other in valid:
        if other is not chosen:
            text = f'annotation {other.get("id")} is another one of the same image; {chosen.get("id")} is taken'
            reading.leave_out('different boxes', where, text, boxes=len(_regions(other['result'])))
    regions = _regions(chosen['result'])
    size = next(filter(None, (size_of(r.get('original_width'), r.get('original_height')) for r in regions)), None)
    # Tasks that a program has written may lack the size.
    drawn = reading.add(DrawnImage(names, file, where, size=size, fractions=size is None, split=split))
    labeled = {region.get('id') for region in regions if region.get('type') in LABELS}
    for region in regions:
        kind, place = region.get('type'), f'{where} {region.get("id")}'
        if kind in SHAPES and region.get('id') in labeled:
            # Another region with the same id has the shape, too, and the labels.
            continue
        if kind in NO_BOXES:
            reading.leave_out('unsupported shape', place, f'it is drawn with {kind}', boxes=1)
        elif kind == VIDEO:
            reading.leave_out('video', place, 'it is an object of a video', boxes=1)
        else:
            _read_region(reading, drawn, region, place)


def _time(annotation: dict) -> str:
    """Return when an annotation was written, in ISO 8601, which sorts by time."""
    return str(annotation.get('updated_at') or annotation.get('created_at') or '')


def _regions(result: list) -> list[dict]:
    """Return the results of an annotation that are shapes, and not choices or texts."""
    known = (*LABELS, *NO_BOXES, *SHAPES, VIDEO)
    return [entry for entry in result if isinstance(entry, dict) and entry.get('type') in known]


def _read_region(reading: Reading, drawn: DrawnImage, region: dict, place: str) -> None:
    """Add the box of a region, one for each of its labels."""
    try:
        value = region['value']
        corners = _corners(value, drawn.size)
        labels = value.get(region['type']) or ['']
        names = [class_name(name) for name in (labels if isinstance(labels, list) else [labels])]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        text = f'it lacks {error}' if isinstance(error, KeyError) else first_line(error)
        reading.leave_out('incomplete object', place, text, boxes=1)
        return
    is_box = 'width' in value and 'points' not in value
    shape = 'polygon' if not is_box else 'rotated' if number(value.get('rotation') or 0) % 180 else 'box'
    drawn.boxes += [DrawnBox(name, corners, place, shape=shape) for name in dict.fromkeys(names)]


def _corners(value: dict, size: tuple[int, int] | None) -> Corners:
    """Return xyxy of a region in percent: in pixels, or in fractions if the size is not known."""
    scale_x, scale_y = (side / 100 for side in size or (1, 1))
    if 'points' in value:
        return hull((number(x) * scale_x, number(y) * scale_y) for x, y in value['points'])
    degrees = number(value.get('rotation') or 0)
    if degrees and size is None:
        raise ValueError('it is rotated, and has no original_width and original_height')
    x, y = number(value['x']) * scale_x, number(value['y']) * scale_y
    if 'radiusX' in value:
        return turned_ellipse(x, y, number(value['radiusX']) * scale_x, number(value['radiusY']) * scale_y, degrees)
    width, height = number(value['width']) * scale_x, number(value['height']) * scale_y
    return turned_box(x, y, width, height, degrees, pivot=(x, y))


def _image_names(task: dict) -> list[str]:
    """Return the possible names of a task's image, as uploaded, and without the prefix of uploads."""
    data = task.get('data')
    values = [task.get('file_upload'), *(data.values() if isinstance(data, dict) else ())]
    paths = [_path_of(value) for value in values if isinstance(value, str)]
    named = [path for path in paths if path.lower().endswith(SUFFIXES)] or paths[:1]
    found: list[str] = []
    for path in named:
        folder, slash, name = path.rpartition('/')
        found += [path, f'{folder}{slash}{PREFIX.sub("", name, count=1)}' if PREFIX.match(name) else path]
    return list(dict.fromkeys(found))


def _path_of(address: str) -> str:
    """Return the path of an address, such as ``/data/upload/1/a.jpg``, ``s3://bucket/a.jpg`` or a local file's."""
    if '://' not in address and not address.startswith('/data/'):
        return address.replace('\\', '/')
    parts = urlsplit(address)
    # Files of a local storage: /data/local-files/?d=folder/a.jpg
    path = parse_qs(parts.query).get('d', [unquote(parts.path)])[0]
    return path.replace('\\', '/')
