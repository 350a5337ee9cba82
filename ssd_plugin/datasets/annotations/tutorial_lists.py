"""The data lists of the PyTorch tutorial: JSON files of images, of objects, and of the numbers of the classes."""

import json
from pathlib import Path

from .coco_entries import is_box
from .records import Annotations, Box, Fault, Picture

IMAGES, OBJECTS, LABELS = '_images.json', '_objects.json', 'label_map.json'
COLUMNS = ('boxes', 'labels', 'difficulties')


def load(images: Path) -> tuple[list[str], list[dict], dict[int, str]]:
    """What is in a list of images and in the files beside it.

    Args:
        images: file whose name ends with ``_images.json``.

    Returns:
        image files; of each its objects; and the names of the classes by number, from 1 on.

    Raises:
        ValueError: they cannot be read, or do not fit each other; the message says where.
        OSError: one cannot be opened.
    """
    if not images.name.endswith(IMAGES):
        raise ValueError(f'{images} is not a list of images: its name must end with {IMAGES}')
    objects, labels = objects_of(images), images.with_name(LABELS)
    paths, annotations, numbers = _load(images, list), _load(objects, list), _load(labels, dict)
    if len(paths) != len(annotations):
        raise ValueError(f'{images} lists {len(paths)} images, {objects} the objects of {len(annotations)}')
    if not all(isinstance(path, str) for path in paths):
        raise ValueError(f'{images} lists something else than names of files')
    names = {number: name for name, number in numbers.items() if not isinstance(number, int) or number > 0}
    if set(names) != set(range(1, len(names) + 1)):
        raise ValueError(f'the classes of {labels} are not numbered from 1 on')
    return paths, annotations, names


def _load(path: Path, kind: type) -> list | dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is no JSON: {error}') from error
    if not isinstance(content, kind):
        raise ValueError(f'{path} holds no {kind.__name__}')
    return content


def objects_of(images: Path) -> Path:
    """The list of objects beside a list of images."""
    return images.with_name(images.name.removesuffix(IMAGES) + OBJECTS)


def what_is_wrong(annotation: object, names: dict[int, str]) -> str | None:
    """With the objects of an image, if anything.

    Args:
        annotation: lists ``boxes`` (x1, y1, x2, y2 in pixels from 0), ``labels`` and ``difficulties``.
        names: of the classes.
    """
    columns = [annotation.get(key) for key in COLUMNS] if isinstance(annotation, dict) else [None]
    if not all(isinstance(column, list) for column in columns) or len({len(column) for column in columns}) != 1:
        return f'it has no lists {", ".join(COLUMNS)} of one length'
    boxes, labels, difficulties = columns
    if not all(map(is_box, boxes)):
        return 'it has a box that is not four numbers'
    if not all(isinstance(label, int) and label in names for label in labels):
        return f'it has a label that {LABELS} does not have'
    return (
        None if all(isinstance(flag, int) for flag in difficulties) else 'it has a difficulty that is no whole number'
    )


def read(path: Path, folder: Path | None = None, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read a list of images, and the files beside it.

    Args:
        path: file whose name ends with ``_images.json``.
        folder: that relative image files lie in; ``None`` for the current one.
        classes: known ones; ``None`` for all that have a number.
    """
    try:
        paths, annotations, names = load(path)
    except FileNotFoundError as error:
        return _nothing(Fault('missing annotation', error.filename, 'the file is missing'))
    except (ValueError, OSError) as error:
        return _nothing(Fault('unreadable annotation', str(path), str(error)))
    objects, split = objects_of(path), path.name.removesuffix(IMAGES)
    faults = [] if paths else [Fault('empty list', str(path), 'it names no image')]
    pictures, seen, dropped = [], {}, set()
    # Objects to be taken out, by image.
    useless: list[set[int]] = [set() for _ in annotations]
    for index, (image, annotation) in enumerate(zip(paths, annotations)):
        where = f'{objects}: [{index}] ({image})'
        if image in seen:
            faults.append(Fault('listed twice', f'{path}: [{index}]', f'{image} is [{seen[image]}] already'))
        seen.setdefault(image, index)
        reason = what_is_wrong(annotation, names)
        if reason:
            faults.append(Fault('incomplete object', where, reason))
            dropped.add(index)
            continue
        boxes = [_box(annotation, number, names, where, useless[index]) for number in range(len(annotation['boxes']))]
        # The lists do not say sizes.
        pictures.append(
            Picture(
                Path(folder or '', image),
                where,
                None,
                boxes,
                {split},
                lambda size: None,
                lambda index=index: dropped.add(index),
            )
        )

    def write(target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        kept = [index for index in range(len(paths)) if index not in dropped]
        repaired = [
            {
                key: [value for number, value in enumerate(annotations[index][key]) if number not in useless[index]]
                for key in COLUMNS
            }
            for index in kept
        ]
        for name, content in (
            (path.name, [paths[index] for index in kept]),
            (objects.name, repaired),
            (LABELS, json.loads(path.with_name(LABELS).read_text(encoding='utf-8'))),
        ):
            (target / name).write_text(json.dumps(content))

    return Annotations(pictures, faults, write, 0, classes or tuple(names[number] for number in sorted(names)))


def _nothing(fault: Fault) -> Annotations:
    return Annotations([], [fault], lambda target: None, 0)


def _box(annotation: dict, number: int, names: dict[int, str], where: str, useless: set[int]) -> Box:

    def set_corners(found: tuple[float, ...]) -> None:
        annotation['boxes'][number] = list(found)

    return Box(
        names[annotation['labels'][number]],
        tuple(annotation['boxes'][number]),
        f'{where} boxes[{number}]',
        set_corners,
        lambda name: None,
        lambda: useless.add(number),
    )
