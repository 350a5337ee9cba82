"""COCO annotations, read for the dataset check: one JSON file with images, annotations and categories."""

import json
import math
from pathlib import Path

import numpy as np

from .coco_rules import (
    IGNORED,
    LISTS,
    NARROW,
    NO_POSITIVE_AREA,
    OTHER_CLASS,
    REASONS,
    UNKNOWN_IMAGE,
    add_sizes,
    by_id,
    class_order_mismatch,
    ignore_flags,
    incompleteness,
    load,
    skip_reasons,
    without_project,
)
from .records import AnnotatedBox, AnnotatedImage, Annotations, Issue, check_remaining, unreadable

IMAGE_FOLDERS = ('images', 'JPEGImages', '.')
FILE_NAME = {'file_name': LISTS['images']['file_name']}
SIZE_UNKNOWN = (math.nan, math.nan)
# Why training skips an annotation.
ISSUE_TEXTS = {
    UNKNOWN_IMAGE: 'there is no image with the id {image_id}',
    IGNORED: 'its ignore flag is set; CocoDataset skips it',
    NARROW: 'its width and height are {bbox[2]:g} and {bbox[3]:g}; CocoDataset skips it',
    NO_POSITIVE_AREA: 'its area is {area}; CocoDataset skips it',
    OTHER_CLASS: 'there is no category with the id {category_id}',
}
# Where an entry is in the file, and the entry.
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
    return read_content(path, content, lists, folder, classes)


def read_content(
    path: Path, content: dict, lists: list[list], folder: Path | None = None, classes: tuple[str, ...] | None = None
) -> Annotations:
    """Read the content of a JSON file.

    Args:
        path: The file, for messages.
        content: Its content.
        lists: The lists ``images``, ``annotations`` and ``categories`` in it.
        folder: Folder of the images, ``None`` to look for the first image in the usual folders.
        classes: Names of the known classes, ``None`` for all categories of the file.
    """
    return _CocoFile(path, content, lists).annotations(folder, classes)


class _CocoFile:
    """The content of a JSON file, the issues found in it, and the entries that the repaired copy omits."""

    def __init__(self, path: Path, content: dict, lists: list[list]) -> None:
        self.path = path
        self.content = content
        self.lists = dict(zip(LISTS, lists))
        self.issues: list[Issue] = []
        # Entries are compared by identity: equal ones may occur twice.
        self.dropped: set[int] = set()

    def annotations(self, folder: Path | None, classes: tuple[str, ...] | None) -> Annotations:
        """Return the images with their boxes and the issues of the whole file."""
        folder = folder or _usual_folder(self.path, self.lists['images'])
        add_sizes(self.lists['images'], folder)
        self.lists['categories'] = without_project(self.lists['categories'], self.lists['annotations'], classes or ())
        images, annotations, categories = (self._complete(key) for key in LISTS)
        read_images = self._read_images(images, folder)
        names = tuple(category['name'] for _, category in categories)
        category_of = self._read_categories(categories, classes or names)
        self._read_annotations(annotations, category_of, read_images)
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
        used = by_id(image for _, image in images)
        for where, image in images:
            number, name = image['id'], image['file_name']
            if used[number] is not image:
                self._report('duplicate id', where, f'a later image, {used[number]["file_name"]}, has the same id')
                self._drop(image)
                continue
            if name in seen:
                self._report('listed twice', where, f'{seen[name]} has the same file {name}')
            seen.setdefault(name, where)
            found[number] = self._annotated_image(image, where, folder)
        return found

    def _read_categories(self, categories: list[Entry], classes: tuple[str, ...]) -> dict[int | str, dict]:
        """Return the categories by id."""
        entries = [category for _, category in categories]
        # Training does not see the categories of other classes.
        used = by_id(entries) | by_id(category for category in entries if category['name'] in classes)
        for where, category in categories:
            if used[category['id']] is not category:
                self._report('duplicate id', where, f'{used[category["id"]]["name"]} has the same id')
                self._drop(category)
        return used

    def _read_annotations(
        self,
        annotations: list[Entry],
        categories: dict[int | str, dict],
        images: dict[int | str, AnnotatedImage],
    ) -> None:
        """Add the boxes to their images."""
        ids: set[int | str] = set()
        highest = max((entry['id'] for _, entry in annotations if isinstance(entry['id'], int)), default=0)
        for (where, annotation), reason in zip(annotations, _skip_reasons(annotations, categories, images)):
            if annotation['id'] in ids:
                self._report('duplicate id', where, 'an earlier annotation has the same id')
                highest += 1
                annotation['id'] = highest
            ids.add(annotation['id'])
            category = categories.get(annotation['category_id'])
            # The check of all formats reports and repairs the other bad boxes.
            if reason in ISSUE_TEXTS or category is None:
                self._report(reason, where, ISSUE_TEXTS.get(reason, 'its box is {bbox}').format(**annotation))
            if reason == IGNORED:
                continue
            if reason in (UNKNOWN_IMAGE, NARROW) or category is None:
                self._drop(annotation)
                continue
            if reason == NO_POSITIVE_AREA:
                annotation['area'] = annotation['bbox'][2] * annotation['bbox'][3]
            images[annotation['image_id']].boxes.append(self._annotated_box(annotation, where, category))

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
        check_remaining(self.path, len(self.lists['images']), len(kept['images']))
        known = {image['id'] for image in kept['images']}
        kept['annotations'] = [annotation for annotation in kept['annotations'] if annotation['image_id'] in known]
        target.mkdir(parents=True, exist_ok=True)
        (target / self.path.name).write_text(json.dumps({**self.content, **kept}))


def _skip_reasons(
    annotations: list[Entry], categories: dict[int | str, dict], images: dict[int | str, AnnotatedImage]
) -> list[str]:
    """Return why training skips each annotation; an empty text if it does not."""
    entries = [entry for _, entry in annotations]
    owners = [images.get(entry['image_id']) for entry in entries]
    reasons = skip_reasons(
        np.array([entry['bbox'] for entry in entries], float).reshape(-1, 4),
        np.array([entry['area'] for entry in entries], float),
        np.array([SIZE_UNKNOWN if owner is None else owner.size for owner in owners], float).reshape(-1, 2),
        ignore_flags(entries),
        np.array([owner is not None for owner in owners], bool),
        np.array([entry['category_id'] in categories for entry in entries], bool),
    )
    return ['' if index < 0 else REASONS[index] for index in reasons.tolist()]


def _usual_folder(path: Path, images: list) -> Path:
    """Return the first of the usual image folders that has the first image with a file name."""
    base = path.parent.parent if path.parent.name == 'annotations' else path.parent
    candidates = [base / path.stem.removeprefix('instances_'), *(base / name for name in IMAGE_FOLDERS)]
    names = [image['file_name'] for image in images if incompleteness(image, FILE_NAME) is None][:1]
    return next((folder for folder in candidates for name in names if (folder / name).is_file()), candidates[0])
