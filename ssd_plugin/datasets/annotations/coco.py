"""Annotations as COCO's JSON."""

import json
import math
from pathlib import Path

from .coco_entries import KINDS, what_is_missing, wrong_order
from .records import Annotations, Box, Fault, Picture

IMAGE_FOLDERS = ('images', 'JPEGImages', '.')


def read(path: Path, folder: Path | None = None, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read an annotation file.

    Args:
        path: of the JSON file.
        folder: of the images; ``None`` for the usual one that has the first of them.
        classes: known ones; ``None`` for all of its categories.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return _nothing(Fault('missing annotation', str(path), 'the file is missing'))
    except json.JSONDecodeError as error:
        return _nothing(
            Fault('unreadable annotation', f'{path}:{error.lineno}', f'no JSON: {error.msg}, column {error.colno}')
        )
    except (OSError, ValueError, RecursionError) as error:
        return _nothing(Fault('unreadable annotation', str(path), f'no text that can be read: {error}'))
    lists = [content.get(key) for key in KINDS] if isinstance(content, dict) else [None]
    if not all(isinstance(entries, list) for entries in lists):
        return _nothing(
            Fault('unreadable annotation', str(path), 'it lacks one of the lists images, annotations and categories')
        )

    dropped: set[int] = set()  # Python's ids of entries
    faults = []
    images, annotations, categories = (
        _whole(path, key, entries, faults, dropped) for key, entries in zip(KINDS, lists)
    )
    pictures = _read_images(path, images, folder or _usual_folder(path, images), faults, dropped)
    by_id = {}
    for where, category in categories:
        if category['id'] in by_id:
            faults.append(Fault('id given twice', where, f'{by_id[category["id"]]["name"]} has it, too'))
            dropped.add(id(category))
        by_id.setdefault(category['id'], category)
    _read_annotations(annotations, by_id, pictures, faults, dropped)
    names = tuple(category['name'] for _, category in categories)
    reason = wrong_order(names, classes or names)
    if reason:
        faults.append(Fault('other order of classes', str(path), reason))

    def write(target: Path) -> None:
        kept = {key: [entry for entry in entries if id(entry) not in dropped] for key, entries in zip(KINDS, lists)}
        known = {image['id'] for image in kept['images']}
        kept['annotations'] = [annotation for annotation in kept['annotations'] if annotation['image_id'] in known]
        target.mkdir(parents=True, exist_ok=True)
        (target / path.name).write_text(json.dumps({**content, **kept}))

    return Annotations(list(pictures.values()), faults, write, 0, classes or names)


def _whole(path: Path, key: str, entries: list, faults: list[Fault], dropped: set[int]) -> list[tuple[str, dict]]:
    """(place, entry) of those that have all they need."""
    found = []
    for index, entry in enumerate(entries):
        where = f'{path}: {key}[{index}] (id {entry.get("id") if isinstance(entry, dict) else None})'
        reason = what_is_missing(entry, KINDS[key])
        if reason:
            faults.append(Fault('incomplete object', where, reason))
            dropped.add(id(entry))
        else:
            found.append((where, entry))
    return found


def _usual_folder(path: Path, images: list[tuple[str, dict]]) -> Path:
    """Where the images of a JSON file are, by its first one."""
    base = path.parent.parent if path.parent.name == 'annotations' else path.parent
    candidates = [base / path.stem.removeprefix('instances_'), *(base / name for name in IMAGE_FOLDERS)]
    names = [image['file_name'] for _, image in images[:1]]
    return next((folder for folder in candidates for name in names if (folder / name).is_file()), candidates[0])


def _read_images(
    path: Path, images: list[tuple[str, dict]], folder: Path, faults: list[Fault], dropped: set[int]
) -> dict[int | str, Picture]:
    """Pictures by id."""
    pictures, seen = {}, {}
    if not images:
        faults.append(Fault('empty list', str(path), 'it has no images'))
    for where, image in images:
        if image['id'] in pictures:
            faults.append(Fault('id given twice', where, f'{pictures[image["id"]].where} has it, too'))
            dropped.add(id(image))
            continue
        if image['file_name'] in seen:
            faults.append(
                Fault('listed twice', where, f'{seen[image["file_name"]]} has the file {image["file_name"]}, too')
            )
        seen.setdefault(image['file_name'], where)
        pictures[image['id']] = _picture(image, where, folder, path.stem, dropped)
    return pictures


def _read_annotations(
    annotations: list[tuple[str, dict]],
    categories: dict[int | str, dict],
    pictures: dict[int | str, Picture],
    faults: list[Fault],
    dropped: set[int],
) -> None:
    """Adds the boxes to their pictures."""
    ids = set()
    highest = max((a['id'] for _, a in annotations if isinstance(a['id'], int)), default=0)
    for where, annotation in annotations:
        if annotation['id'] in ids:
            faults.append(Fault('id given twice', where, 'an annotation before it has it'))
            highest += 1
            annotation['id'] = highest
        ids.add(annotation['id'])
        image, category = annotation['image_id'], annotation['category_id']
        if image not in pictures or category not in categories:
            kind, what, missing = (
                ('unknown image', 'image', image) if image not in pictures else ('unknown class', 'category', category)
            )
            faults.append(Fault(kind, where, f'there is no {what} with the id {missing}'))
            dropped.add(id(annotation))
            continue
        width, height = annotation['bbox'][2:]
        if width > 0 and height > 0 and not annotation['area'] > 0:
            faults.append(
                Fault('area not positive', where, f'its area is {annotation["area"]}; CocoDataset leaves it out')
            )
            annotation['area'] = width * height
        pictures[image].boxes.append(_box(annotation, where, categories[category], dropped))


def _nothing(fault: Fault) -> Annotations:
    return Annotations([], [fault], lambda target: None, 0)


def _picture(image: dict, where: str, folder: Path, split: str, dropped: set[int]) -> Picture:

    def set_size(found: tuple[int, int]) -> None:
        image['width'], image['height'] = found

    size = (image['width'], image['height'])
    return Picture(folder / image['file_name'], where, size, [], {split}, set_size, lambda: dropped.add(id(image)))


def _box(annotation: dict, where: str, category: dict, dropped: set[int]) -> Box:

    def set_corners(found: tuple[float, ...]) -> None:
        x1, y1, x2, y2 = found
        annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
        annotation['area'] = (x2 - x1) * (y2 - y1)

    def set_name(found: str) -> None:
        category['name'] = found

    x, y, width, height = annotation['bbox']
    corners = (x, y, x + width, y + height) if all(map(math.isfinite, annotation['bbox'])) else (math.nan,) * 4
    return Box(category['name'], corners, where, set_corners, set_name, lambda: dropped.add(id(annotation)))
