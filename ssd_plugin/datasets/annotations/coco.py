"""COCO annotations, read for the dataset check: one JSON file with images, annotations and categories."""

import json
import math
from pathlib import Path

import numpy as np

from .coco_rules import LISTS, NARROW, NO_POSITIVE_AREA, class_order_mismatch, incompleteness, load, too_small
from .records import AnnotatedBox, AnnotatedImage, Annotations, Issue, unreadable

IMAGE_FOLDERS = ('images', 'JPEGImages', '.')
ISSUE_TEXTS = {
    NARROW: 'its width and height are {width:g} and {height:g}; CocoDataset skips it',
    NO_POSITIVE_AREA: 'its area is {area}; CocoDataset skips it',
}
# An entry, and its place in the file.
Entry = tuple[str, dict]


def read(path: Path, folder: Path | None = None, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read a JSON file.

    Args:
        path: The file.
        folder: Folder of the images, ``None`` to look for the first image in the usual folders.
        classes: Names of the known classes, ``None`` for all categories of the file.
    """
    try:
        content, lists = load(path)
    except FileNotFoundError:
        return unreadable(Issue('missing annotation', str(path), 'the file is missing'))
    except json.JSONDecodeError as error:
        text = f'not valid JSON: {error.msg}, column {error.colno}'
        return unreadable(Issue('unreadable annotation', f'{path}:{error.lineno}', text))
    except (OSError, ValueError, RecursionError) as error:
        return unreadable(Issue('unreadable annotation', str(path), f'it cannot be read: {error}'))
    return _CocoFile(path, content, lists).annotations(folder, classes)


class _CocoFile:
    """The content of a JSON file, the issues found in it, and the entries that the repaired copy does without."""

    def __init__(self, path: Path, content: dict, lists: list[list]) -> None:
        self.path = path
        self.content = content
        self.lists = dict(zip(LISTS, lists))
        self.issues: list[Issue] = []
        # Entries are compared by identity: equal ones may occur twice.
        self.dropped: set[int] = set()

    def annotations(self, folder: Path | None, classes: tuple[str, ...] | None) -> Annotations:
        """Return the images with their boxes and the issues of the whole file."""
        images, annotations, categories = (self._complete(key) for key in LISTS)
        read_images = self._read_images(images, folder or _usual_folder(self.path, images))
        category_of = self._read_categories(categories)
        self._read_annotations(annotations, category_of, read_images)
        names = tuple(category['name'] for _, category in categories)
        mismatch = class_order_mismatch(names, classes or names)
        if mismatch:
            self._report('mismatched class order', str(self.path), mismatch)
        return Annotations(list(read_images.values()), self.issues, self._write, 0, classes or names)

    def _report(self, kind: str, where: str, text: str) -> None:
        self.issues.append(Issue(kind, where, text))

    def _drop(self, entry: object) -> None:
        self.dropped.add(id(entry))

    def _complete(self, key: str) -> list[Entry]:
        """Return the entries of a list that have all they need."""
        found = []
        for index, entry in enumerate(self.lists[key]):
            where = f'{self.path}: {key}[{index}] (id {entry.get("id") if isinstance(entry, dict) else None})'
            reason = incompleteness(entry, LISTS[key])
            if reason:
                self._report('incomplete object', where, reason)
                self._drop(entry)
            else:
                found.append((where, entry))
        return found

    def _read_images(self, images: list[Entry], folder: Path) -> dict[int | str, AnnotatedImage]:
        """Return the images by id."""
        found: dict[int | str, AnnotatedImage] = {}
        seen: dict[str, str] = {}
        if not images:
            self._report('empty list', str(self.path), 'it has no images')
        for where, image in images:
            number, name = image['id'], image['file_name']
            if number in found:
                self._report('duplicate id', where, f'{found[number].where} has the same id')
                self._drop(image)
                continue
            if name in seen:
                self._report('listed twice', where, f'{seen[name]} has the same file {name}')
            seen.setdefault(name, where)
            found[number] = self._annotated_image(image, where, folder)
        return found

    def _read_categories(self, categories: list[Entry]) -> dict[int | str, dict]:
        """Return the categories by id."""
        found: dict[int | str, dict] = {}
        for where, category in categories:
            first = found.setdefault(category['id'], category)
            if first is not category:
                self._report('duplicate id', where, f'{first["name"]} has the same id')
                self._drop(category)
        return found

    def _read_annotations(
        self,
        annotations: list[Entry],
        categories: dict[int | str, dict],
        images: dict[int | str, AnnotatedImage],
    ) -> None:
        """Add the boxes to their images."""
        ids: set[int | str] = set()
        highest = max((entry['id'] for _, entry in annotations if isinstance(entry['id'], int)), default=0)
        boxes = np.array([entry['bbox'] for _, entry in annotations], float).reshape(-1, 4)
        small = too_small(boxes, np.array([entry['area'] for _, entry in annotations], float))
        reasons = {int(index): kind for kind, mask in small.items() for index in np.flatnonzero(mask)}
        for index, (where, annotation) in enumerate(annotations):
            if annotation['id'] in ids:
                self._report('duplicate id', where, 'an earlier annotation has the same id')
                highest += 1
                annotation['id'] = highest
            ids.add(annotation['id'])
            image, category = annotation['image_id'], annotation['category_id']
            if image not in images:
                self._report('unknown image', where, f'there is no image with the id {image}')
                self._drop(annotation)
                continue
            if category not in categories:
                self._report('unknown class', where, f'there is no category with the id {category}')
                self._drop(annotation)
                continue
            kind = reasons.get(index)
            if kind is not None:
                width, height = annotation['bbox'][2:]
                text = ISSUE_TEXTS[kind].format(width=width, height=height, area=annotation['area'])
                self._report(kind, where, text)
                if kind == NARROW:
                    self._drop(annotation)
                    continue
                annotation['area'] = width * height
            images[image].boxes.append(self._annotated_box(annotation, where, categories[category]))

    def _annotated_image(self, image: dict, where: str, folder: Path) -> AnnotatedImage:

        def set_size(size: tuple[int, int]) -> None:
            image['width'], image['height'] = size

        size = image['width'], image['height']
        path = folder / image['file_name']
        return AnnotatedImage(path, where, size, [], {self.path.stem}, set_size, lambda: self._drop(image))

    def _annotated_box(self, annotation: dict, where: str, category: dict) -> AnnotatedBox:

        def set_corners(corners: tuple[float, float, float, float]) -> None:
            x1, y1, x2, y2 = corners
            annotation['bbox'] = [x1, y1, x2 - x1, y2 - y1]
            annotation['area'] = (x2 - x1) * (y2 - y1)

        def set_name(name: str) -> None:
            category['name'] = name

        x, y, width, height = annotation['bbox']
        finite = all(map(math.isfinite, annotation['bbox']))
        corners = (x, y, x + width, y + height) if finite else (math.nan,) * 4
        return AnnotatedBox(category['name'], corners, where, set_corners, set_name, lambda: self._drop(annotation))

    def _write(self, target: Path) -> None:
        """Write the repaired file into a folder."""
        kept = {
            key: [entry for entry in entries if id(entry) not in self.dropped] for key, entries in self.lists.items()
        }
        known = {image['id'] for image in kept['images']}
        kept['annotations'] = [annotation for annotation in kept['annotations'] if annotation['image_id'] in known]
        target.mkdir(parents=True, exist_ok=True)
        (target / self.path.name).write_text(json.dumps({**self.content, **kept}))


def _usual_folder(path: Path, images: list[Entry]) -> Path:
    """Return the first of the usual image folders that has the first image."""
    base = path.parent.parent if path.parent.name == 'annotations' else path.parent
    candidates = [base / path.stem.removeprefix('instances_'), *(base / name for name in IMAGE_FOLDERS)]
    names = [image['file_name'] for _, image in images[:1]]
    return next((folder for folder in candidates for name in names if (folder / name).is_file()), candidates[0])
