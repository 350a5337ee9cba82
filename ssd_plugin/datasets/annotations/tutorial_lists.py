"""The data lists of the PyTorch tutorial: JSON files with the images, their objects, and the numbers of the classes."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from .coco_rules import is_box
from .records import AnnotatedBox, AnnotatedImage, Annotations, Issue, check_remaining, unreadable

IMAGES, OBJECTS, LABELS = '_images.json', '_objects.json', 'label_map.json'
COLUMNS = ('boxes', 'labels', 'difficulties')


def load(images: Path) -> tuple[list[str], list[dict], dict[int, str]]:
    """Read a list of images and the files beside it.

    Args:
        images: A file whose name ends with ``_images.json``.

    Returns:
        The image files, the objects of each, and the class names by number, from 1.

    Raises:
        ValueError: The files are not valid or do not match each other; the message says where.
        OSError: One cannot be opened.
    """
    if not images.name.endswith(IMAGES):
        raise ValueError(f'{images} is not a list of images: its name must end with {IMAGES}')
    objects, labels = objects_file(images), images.with_name(LABELS)
    paths, annotations, numbers = _load(images), _load(objects), _load(labels)
    for path, content, kind in ((images, paths, list), (objects, annotations, list), (labels, numbers, dict)):
        if not isinstance(content, kind):
            raise ValueError(f'{path} does not hold a {kind.__name__}')
    if len(paths) != len(annotations):
        raise ValueError(f'{images} lists {len(paths)} images, but {objects} has the objects of {len(annotations)}')
    if not all(isinstance(path, str) for path in paths):
        raise ValueError(f'{images} has entries that are not file names')
    names = {number: name for name, number in numbers.items() if not isinstance(number, int) or number > 0}
    if set(names) != set(range(1, len(names) + 1)):
        raise ValueError(f'the classes of {labels} are not numbered consecutively from 1')
    return paths, annotations, names


def _load(path: Path) -> Any:
    try:
        # Bytes: they may begin with a byte order mark.
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from error


def objects_file(images: Path) -> Path:
    """Return the list of objects beside a list of images."""
    return images.with_name(images.name.removesuffix(IMAGES) + OBJECTS)


def defect(annotation: object, names: dict[int, str]) -> str | None:
    """Describe what is wrong with the objects of an image, ``None`` if nothing is.

    Args:
        annotation: The lists ``boxes`` (xyxy in pixels from 0), ``labels`` and ``difficulties``.
        names: Class names by number.
    """
    fields = annotation if isinstance(annotation, dict) else {}
    columns = [fields[key] for key in COLUMNS if isinstance(fields.get(key), list)]
    if len(columns) < len(COLUMNS) or len({len(column) for column in columns}) != 1:
        return f'it does not have lists {", ".join(COLUMNS)} of the same length'
    boxes, labels, difficulties = columns
    if not all(map(is_box, boxes)):
        return 'it has a box that is not four numbers'
    if not all(isinstance(label, int) and label in names for label in labels):
        return f'it has a label that is not in {LABELS}'
    if not all(isinstance(flag, int) for flag in difficulties):
        return 'it has a difficulty that is not an integer'
    return None


def read(path: Path, folder: Path | None = None, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read a list of images and the files beside it.

    Args:
        path: A file whose name ends with ``_images.json``.
        folder: Folder of relative image files, ``None`` for the current one.
        classes: Names of the known classes, ``None`` for all that have a number.
    """
    try:
        paths, annotations, names = load(path)
    except FileNotFoundError as error:
        return unreadable(Issue('missing annotation', str(error.filename), 'the file is missing'))
    except (ValueError, OSError) as error:
        return unreadable(Issue('unreadable annotation', str(path), str(error)))
    objects, split = objects_file(path), path.name.removesuffix(IMAGES)
    issues = [] if paths else [Issue('empty list', str(path), 'it lists no image')]
    images = []
    seen: dict[str, int] = {}
    dropped_images: set[int] = set()
    dropped_objects: list[set[int]] = [set() for _ in annotations]
    for index, (image, annotation) in enumerate(zip(paths, annotations)):
        where = f'{objects}: [{index}] ({image})'
        if image in seen:
            issues.append(Issue('listed twice', f'{path}: [{index}]', f'{image} is already [{seen[image]}]'))
        seen.setdefault(image, index)
        reason = defect(annotation, names)
        if reason:
            issues.append(Issue('incomplete object', where, reason))
            dropped_images.add(index)
            continue
        boxes = [
            _annotated_box(annotation, number, names, where, dropped_objects[index])
            for number in range(len(annotation['boxes']))
        ]
        # The lists have no sizes, neither to read nor to repair.
        drop = partial(dropped_images.add, index)
        images.append(AnnotatedImage(Path(folder or '', image), where, None, boxes, {split}, lambda size: None, drop))

    def write(target: Path) -> None:
        kept = [index for index in range(len(paths)) if index not in dropped_images]
        check_remaining(path, len(paths), len(kept))
        target.mkdir(parents=True, exist_ok=True)
        repaired = [
            {
                key: [v for number, v in enumerate(annotations[index][key]) if number not in dropped_objects[index]]
                for key in COLUMNS
            }
            for index in kept
        ]
        (target / path.name).write_text(json.dumps([paths[index] for index in kept]))
        (target / objects.name).write_text(json.dumps(repaired))
        (target / LABELS).write_bytes(path.with_name(LABELS).read_bytes())

    return Annotations(images, issues, write, 0, classes or tuple(names[number] for number in sorted(names)))


def _annotated_box(annotation: dict, number: int, names: dict[int, str], where: str, dropped: set[int]) -> AnnotatedBox:

    def set_corners(corners: tuple[float, float, float, float]) -> None:
        annotation['boxes'][number] = list(corners)

    x1, y1, x2, y2 = annotation['boxes'][number]
    return AnnotatedBox(
        names[annotation['labels'][number]],
        (x1, y1, x2, y2),
        f'{where} boxes[{number}]',
        set_corners,
        # A label always has a name: there is nothing to repair.
        lambda name: None,
        partial(dropped.add, number),
    )
