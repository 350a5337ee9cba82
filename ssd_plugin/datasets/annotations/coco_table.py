"""COCO annotations, read for training: arrays in files, which all processes of a machine map into memory."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssd_plugin.files import folder_written_atomically

from .coco_rules import (
    IGNORED,
    LISTS,
    OTHER_CLASS,
    REASONS,
    add_sizes,
    by_id,
    class_order_mismatch,
    ignore_flags,
    incompleteness,
    load,
    skip_reasons,
    without_project,
    xyxy,
)
from .garbage_collection import garbage_collection_disabled

# Increases whenever the meaning of the files changes.
VERSION = 6
META = 'meta.json'
# Why entries are skipped, besides the reasons of the common rules.
INCOMPLETE = 'incomplete'
# Reasons that are intended; the others are mistakes in the data.
INTENDED = (IGNORED, OTHER_CLASS)


def build(
    source: Path,
    folder: Path,
    classes: Sequence[str],
    filter_empty: bool,
    min_size: int,
    strict: bool,
    with_masks: bool = False,
    image_folder: str | None = None,
) -> None:
    """Parse an annotation file into a folder of arrays, which appears only when it is complete.

    It skips the annotations that MMDetection's ``CocoDataset`` skips, and counts them by reason.

    Args:
        source: COCO's JSON.
        folder: The folder to write.
        classes: Names of the classes, in the order of the file's categories.
        filter_empty: Skip images without an annotation of these classes.
        min_size: Skip images whose shorter side is below this, in pixels.
        strict: Raise an error for incomplete entries instead of skipping and counting them.
        with_masks: Keep the masks (``segmentation``).
        image_folder: Folder of the images, from which sizes are read that the file lacks; ``None`` to read none.

    Raises:
        ValueError: The file is not JSON, lacks a list, has no images, has annotation ids that are not unique, or has
            its categories in another order than ``classes``.
        RecursionError: It is nested too deeply.
        OSError: It cannot be read, or the folder cannot be written.
    """
    with garbage_collection_disabled():
        _, (images, annotations, categories) = load(source)
        lists = [images, annotations, without_project(categories, annotations, classes)]
        if image_folder is not None:
            add_sizes(images, Path(image_folder))
        arrays, meta = _parsed(lists, classes, filter_empty, min_size, strict, with_masks)
    with folder_written_atomically(folder) as unfinished:
        for name, array in arrays.items():
            np.save(unfinished / f'{name}.npy', array)
        (unfinished / META).write_text(json.dumps(meta))


def _parsed(
    lists: list[list], classes: Sequence[str], filter_empty: bool, min_size: int, strict: bool, with_masks: bool
) -> tuple[dict[str, np.ndarray], dict]:
    """Return the arrays and the metadata of a :class:`CocoTable`."""
    complete = lists
    try:
        arrays, categories, skipped = _arrays(complete, classes, filter_empty, min_size, with_masks)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        # Checking each entry beforehand would take as long as all the rest.
        complete = [_complete(entries, key, strict) for entries, key in zip(lists, LISTS)]
        arrays, categories, skipped = _arrays(complete, classes, filter_empty, min_size, with_masks)
    incomplete = {key: len(entries) - len(rest) for key, entries, rest in zip(LISTS, lists, complete)}
    if incomplete['annotations']:
        skipped[INCOMPLETE] = incomplete['annotations']
    return arrays, dict(
        categories=categories, skipped=skipped, incomplete=incomplete, totals=dict(zip(LISTS, map(len, lists)))
    )


def _complete(entries: list, key: str, strict: bool) -> list[dict]:
    """Return the entries of a list that have all they need; an error instead if ``strict``."""
    found = []
    for index, entry in enumerate(entries):
        reason = incompleteness(entry, LISTS[key])
        if reason is None:
            found.append(entry)
        elif strict:
            raise ValueError(f'{key}[{index}]: {reason}')
    return found


def _arrays(
    lists: list[list],
    classes: Sequence[str],
    filter_empty: bool,
    min_size: int,
    with_masks: bool,
) -> tuple[dict[str, np.ndarray], list, dict[str, int]]:
    """Return the arrays, the ids of the categories by label, and the number of skipped annotations by reason."""
    images, annotations, categories = lists
    if not images:
        raise ValueError('it has no images')
    mismatch = class_order_mismatch([category['name'] for category in categories], classes)
    if mismatch:
        raise ValueError(mismatch)
    category_ids = [category['id'] for category in categories if category['name'] in classes]
    label_of = {category: label for label, category in enumerate(category_ids)}
    images = list(by_id(images).values())
    index_of = {image['id']: index for index, image in enumerate(images)}
    if len({annotation['id'] for annotation in annotations}) < len(annotations):
        raise ValueError('the ids of its annotations are not unique')

    def column(values: Iterable, dtype: type) -> np.ndarray:
        return np.fromiter(values, dtype, len(annotations))

    owners = column((index_of.get(a['image_id'], -1) for a in annotations), np.int64)
    labels = column((label_of.get(a['category_id'], -1) for a in annotations), np.int32)
    areas = column((a['area'] for a in annotations), np.float64)
    # ``difficult`` is written by the import of other formats; COCO itself does not know it.
    crowd = column((bool(a.get('iscrowd', False) or a.get('difficult', False)) for a in annotations), bool)
    boxes = np.array([a['bbox'] for a in annotations], np.float64).reshape(-1, 4)
    sizes = np.array([(i['width'], i['height']) for i in images], np.int64).reshape(-1, 2)

    reasons = skip_reasons(boxes, areas, sizes[owners], ignore_flags(annotations), owners >= 0, labels >= 0)
    counts = np.bincount(reasons + 1, minlength=len(REASONS) + 1)[1:].tolist()
    skipped = {reason: count for reason, count in zip(REASONS, counts) if count}

    wanted = sizes.min(axis=1, initial=np.iinfo(np.int64).max) >= min_size
    if filter_empty:
        wanted &= np.bincount(owners[(labels >= 0) & (owners >= 0)], minlength=len(images)) > 0
    kept = np.flatnonzero((reasons < 0) & wanted[owners])
    # Sorted by image, in the order of the file.
    kept = kept[np.argsort(owners[kept], kind='stable')]
    images = [image for image, want in zip(images, wanted) if want]
    boxes_per_image = np.bincount(owners[kept], minlength=len(wanted))[wanted]
    names, name_starts = _texts(image['file_name'] for image in images)
    masks, mask_starts = _texts(json.dumps(annotations[row].get('segmentation') or []) for row in kept if with_masks)
    arrays = dict(
        boxes=xyxy(boxes[kept]),
        labels=labels[kept],
        crowd=crowd[kept],
        starts=np.concatenate([[0], np.cumsum(boxes_per_image)]),
        sizes=sizes[wanted],
        ids=_ids([image['id'] for image in images]),
        names=names,
        name_starts=name_starts,
        masks=masks,
        mask_starts=mask_starts,
    )
    return arrays, category_ids, skipped


def _texts(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return texts as an array of bytes, and the index of each text's first byte with the length at the end."""
    encoded = [text.encode() for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
    return np.frombuffer(b''.join(encoded), np.uint8), starts


def _text(texts: np.ndarray, starts: np.ndarray, index: int) -> str:
    return texts[starts[index] : starts[index + 1]].tobytes().decode()


def _ids(ids: list[int | str]) -> np.ndarray:
    """Return ids as integers, or all of them as JSON text if one is not an integer."""
    if all(isinstance(number, int) for number in ids):
        return np.array(ids, np.int64)
    return np.array([json.dumps(number) for number in ids], np.str_)


class CocoTable:
    """The arrays of a folder that :func:`build` has written, mapped into memory.

    Attributes:
        boxes: ``(N, 4)`` xyxy in pixels, sorted by image.
        labels: ``(N,)`` labels of the boxes.
        crowd: ``(N,)`` whether a box is marked as a crowd, or as difficult.
        starts: ``(images + 1,)`` row of each image's first box, and N.
        sizes: ``(images, 2)`` width and height.
        categories: Ids of the categories, by label.
        skipped: Number of skipped annotations, by reason.
        incomplete: Number of incomplete entries of each list.
        totals: Length of each list.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boxes = self._mapped('boxes')
        self.labels = self._mapped('labels')
        self.crowd = self._mapped('crowd')
        self.starts = self._mapped('starts')
        self.sizes = self._mapped('sizes')
        self._ids = self._mapped('ids')
        self._names = self._mapped('names')
        self._name_starts = self._mapped('name_starts')
        self._masks = self._mapped('masks')
        self._mask_starts = self._mapped('mask_starts')
        meta = json.loads((folder / META).read_text())
        self.categories: list[int | str] = meta['categories']
        self.skipped: Counter[str] = Counter(meta['skipped'])
        self.incomplete: dict[str, int] = meta['incomplete']
        self.totals: dict[str, int] = meta['totals']

    def _mapped(self, name: str) -> np.ndarray:
        return np.load(self.folder / f'{name}.npy', mmap_mode='r')

    @property
    def broken(self) -> int:
        """Number of annotations that are skipped because of a mistake in the data."""
        return sum(count for reason, count in self.skipped.items() if reason not in INTENDED)

    def __reduce__(self) -> tuple:
        # A spawned process maps the files as well; pickled arrays would be copies.
        return CocoTable, (self.folder,)

    def __len__(self) -> int:
        return len(self.sizes)

    def id(self, index: int) -> int | str:
        """Return the id of an image."""
        found = self._ids[index].item()
        return json.loads(found) if isinstance(found, str) else found

    def name(self, index: int) -> str:
        """Return the file name of an image."""
        return _text(self._names, self._name_starts, index)

    @property
    def has_masks(self) -> bool:
        """Whether the masks were kept."""
        return len(self._mask_starts) > 1

    def mask(self, row: int) -> Any:
        """Return the mask of a box in COCO's format: polygons, or run lengths; an empty list without a mask."""
        return json.loads(_text(self._masks, self._mask_starts, row))

    def images_by_category(self) -> dict[int | str, list[int | str]]:
        """Return the ids of the images with a box of each category."""
        images = np.repeat(np.arange(len(self)), np.diff(self.starts))
        pairs = np.unique(self.labels * np.int64(len(self)) + images)
        found: dict[int | str, list[int | str]] = {category: [] for category in self.categories}
        for pair in pairs.tolist():
            label, image = divmod(pair, len(self))
            found[self.categories[label]].append(self.id(image))
        return found
