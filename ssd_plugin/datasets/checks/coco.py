"""Annotations as COCO's JSON."""
import json
import math
from pathlib import Path

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
        images, annotations, categories = (content[key] for key in ('images', 'annotations', 'categories'))
    except FileNotFoundError:
        return _nothing(Fault('missing annotation', str(path), 'the file is missing'))
    except json.JSONDecodeError as error:
        return _nothing(Fault('unreadable annotation', f'{path}:{error.lineno}', f'no JSON: {error.msg}, column {error.colno}'))
    except UnicodeDecodeError as error:
        return _nothing(Fault('unreadable annotation', str(path), f'no text: {error.reason}'))
    except (KeyError, TypeError):
        return _nothing(Fault('unreadable annotation', str(path), 'it lacks one of images, annotations and categories'))

    dropped: set[int] = set()  # Python's ids of entries
    pictures, faults = _read_images(path, images, folder or _usual_folder(path, images), dropped)
    faults += _read_annotations(path, annotations, categories, pictures, dropped)

    def write(target: Path) -> None:
        kept = [image for image in images if id(image) not in dropped]
        known = {image['id'] for image in kept}
        objects = [a for a in annotations if id(a) not in dropped and a['image_id'] in known]
        target.mkdir(parents=True, exist_ok=True)
        (target / path.name).write_text(json.dumps({**content, 'images': kept, 'annotations': objects}))

    known = classes or tuple(category['name'] for category in categories)
    return Annotations(list(pictures.values()), faults, write, 0, known)


def _usual_folder(path: Path, images: list[dict]) -> Path:
    """Where the images of a JSON file are, by its first one."""
    base = path.parent.parent if path.parent.name == 'annotations' else path.parent
    candidates = [base / path.stem.removeprefix('instances_'), *(base / name for name in IMAGE_FOLDERS)]
    first = images[0].get('file_name') if images else None
    return next((folder for folder in candidates if first and (folder / first).is_file()), candidates[0])


def _read_images(path: Path, images: list[dict], folder: Path, dropped: set[int]) -> tuple[dict[int, Picture], list[Fault]]:
    """Pictures by id."""
    pictures, seen = {}, {}
    faults = [] if images else [Fault('empty list', str(path), 'it has no images')]
    for index, image in enumerate(images):
        where = f'{path}: images[{index}] (id {image.get("id")})'
        if not {'id', 'file_name', 'width', 'height'} <= set(image):
            faults.append(Fault('incomplete object', where, 'it lacks one of id, file_name, width and height'))
            dropped.add(id(image))
        elif image['id'] in pictures:
            faults.append(Fault('id given twice', where, f'{pictures[image["id"]].where} has it, too'))
            dropped.add(id(image))
        else:
            if image['file_name'] in seen:
                faults.append(Fault('listed twice', where, f'{seen[image["file_name"]]} has the file {image["file_name"]}, too'))
            seen.setdefault(image['file_name'], where)
            pictures[image['id']] = _picture(image, where, folder, path.stem, dropped)
    return pictures, faults


def _read_annotations(path: Path, annotations: list[dict], categories: list[dict], pictures: dict[int, Picture],
                      dropped: set[int]) -> list[Fault]:
    """Adds the boxes to their pictures."""
    by_id = {category['id']: category for category in categories}
    faults, ids = [], set()
    highest = max((a['id'] for a in annotations if isinstance(a.get('id'), int)), default=0)
    for index, annotation in enumerate(annotations):
        where = f'{path}: annotations[{index}] (id {annotation.get("id")})'
        fault = _useless(annotation, where, pictures, by_id)
        if fault:
            faults.append(fault)
            dropped.add(id(annotation))
            continue
        if annotation['id'] in ids:
            faults.append(Fault('id given twice', where, 'an annotation before it has it'))
            highest += 1
            annotation['id'] = highest
        ids.add(annotation['id'])
        width, height = annotation['bbox'][2:]
        if width > 0 and height > 0 and not annotation['area'] > 0:
            faults.append(Fault('area not positive', where, f'its area is {annotation["area"]}; CocoDataset leaves it out'))
            annotation['area'] = width * height
        pictures[annotation['image_id']].boxes.append(_box(annotation, where, by_id[annotation['category_id']], dropped))
    return faults


def _nothing(fault: Fault) -> Annotations:
    return Annotations([], [fault], lambda target: None, 0)


def _picture(image: dict, where: str, folder: Path, split: str, dropped: set[int]) -> Picture:

    def set_size(found: tuple[int, int]) -> None:
        image['width'], image['height'] = found

    size = (image['width'], image['height'])
    return Picture(folder / image['file_name'], where, size, [], {split}, set_size, lambda: dropped.add(id(image)))


def _useless(annotation: dict, where: str, pictures: dict[int, Picture], categories: dict[int, dict]) -> Fault | None:
    """What makes an annotation useless, if anything."""
    missing = [key for key in ('id', 'image_id', 'category_id', 'bbox', 'area') if key not in annotation]
    if missing:
        return Fault('incomplete object', where, f'it lacks {", ".join(missing)}')
    box = annotation['bbox']
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, (int, float)) for v in [*box, annotation['area']]):
        return Fault('incomplete object', where, f'bbox or area is not made of numbers: {box}')
    if annotation['image_id'] not in pictures:
        return Fault('unknown image', where, f'there is no image with the id {annotation["image_id"]}')
    if annotation['category_id'] not in categories:
        return Fault('unknown class', where, f'there is no category with the id {annotation["category_id"]}')
    return None


def _box(annotation: dict, where: str, category: dict, dropped: set[int]) -> Box:

    def set_corners(found: tuple[float, ...]) -> None:
        x1, y1, x2, y2 = found
        annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
        annotation['area'] = (x2 - x1) * (y2 - y1)

    def set_name(found: str) -> None:
        category['name'] = found

    x, y, width, height = annotation['bbox']
    corners = (x, y, x + width, y + height) if all(map(math.isfinite, annotation['bbox'])) else (math.nan, ) * 4
    return Box(category['name'], corners, where, set_corners, set_name, lambda: dropped.add(id(annotation)))
