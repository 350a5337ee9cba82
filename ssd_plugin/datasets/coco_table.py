"""COCO's annotation as arrays in files, which every process on a machine maps into its memory instead of holding a copy."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ssd_plugin.datasets.annotations.coco_entries import KINDS, what_is_missing, wrong_order
from ssd_plugin.datasets.annotations.paused_gc import without_gc
from ssd_plugin.files import folder_written_atomically

# Changes with the meaning of the files.
VERSION = 2
ARRAYS = ('boxes', 'labels', 'crowd', 'starts', 'sizes', 'ids', 'names', 'name_starts')
META = 'meta.json'
# Why annotations are left out: first what somebody wanted, then what somebody got wrong.
WANTED = ('marked to be ignored', 'of a class that is not wanted')
INCOMPLETE = 'incomplete'


def build(source: Path, folder: Path, classes: Sequence[str], filter_empty: bool, min_size: int, strict: bool) -> None:
    """Parse an annotation file, by MMDetection's rules of what counts, into a folder of arrays; whole or not at all.

    Args:
        source: COCO's JSON.
        folder: to be made.
        classes: names of the wanted categories, in the order of the file.
        filter_empty: leave out images without an annotation of these.
        min_size: leave out images with a shorter side.
        strict: incomplete entries are an error; otherwise they are left out and counted.

    Raises:
        ValueError: the file is no JSON, lacks a list, has no image, ids of annotations that are not unique, or categories in
            another order.
        OSError: it cannot be read, or the folder not be written.
    """
    with without_gc():
        content = json.loads(source.read_bytes())
        arrays, meta = _parsed(content, classes, filter_empty, min_size, strict)
    with folder_written_atomically(folder) as unfinished:
        for name, array in arrays.items():
            np.save(unfinished / f'{name}.npy', array)
        (unfinished / META).write_text(json.dumps(meta))


def _parsed(
    content: dict, classes: Sequence[str], filter_empty: bool, min_size: int, strict: bool
) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays, and what is known of them."""
    lists = [content.get(key) if isinstance(content, dict) else None for key in KINDS]
    if not all(isinstance(entries, list) for entries in lists):
        raise ValueError(f'it lacks one of the lists {", ".join(KINDS)}')
    try:
        arrays, categories, dropped = _arrays(*lists, classes, filter_empty, min_size)
        whole = lists
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        # To look at each entry first would take as long as all the rest.
        whole = [_whole(entries, key, strict) for entries, key in zip(lists, KINDS)]
        arrays, categories, dropped = _arrays(*whole, classes, filter_empty, min_size)
    incomplete = {key: len(entries) - len(rest) for key, entries, rest in zip(KINDS, lists, whole)}
    if incomplete['annotations']:
        dropped[INCOMPLETE] = incomplete['annotations']
    return arrays, dict(
        categories=categories, dropped=dropped, incomplete=incomplete, totals=dict(zip(KINDS, map(len, lists)))
    )


def _whole(entries: list, key: str, strict: bool) -> list[dict]:
    found = []
    for index, entry in enumerate(entries):
        reason = what_is_missing(entry, KINDS[key])
        if reason is None:
            found.append(entry)
        elif strict:
            raise ValueError(f'of {key}[{index}]: {reason}')
    return found


def _arrays(
    images: list[dict],
    annotations: list[dict],
    categories: list[dict],
    classes: Sequence[str],
    filter_empty: bool,
    min_size: int,
) -> tuple[dict[str, np.ndarray], list, dict[str, int]]:
    """The arrays, the ids of the wanted categories, and how many annotations are left out, by reason."""
    if not images:
        raise ValueError('it has no images')
    reason = wrong_order([category['name'] for category in categories], classes)
    if reason:
        raise ValueError(reason)
    categories = [category['id'] for category in categories if category['name'] in classes]
    label_of = {category: label for label, category in enumerate(categories)}
    images = list({image['id']: image for image in images}.values())
    index_of = {image['id']: index for index, image in enumerate(images)}
    if len({annotation['id'] for annotation in annotations}) < len(annotations):
        raise ValueError('the ids of its annotations are not unique')

    def column(values, dtype) -> np.ndarray:
        return np.fromiter(values, dtype, len(annotations))

    image = column((index_of.get(a['image_id'], -1) for a in annotations), np.int64)
    label = column((label_of.get(a['category_id'], -1) for a in annotations), np.int32)
    area = column((a['area'] for a in annotations), np.float64)
    crowd = column((bool(a.get('iscrowd', False)) for a in annotations), bool)
    ignored = column((bool(a.get('ignore', False)) for a in annotations), bool)
    corner, side = np.split(np.array([a['bbox'] for a in annotations], np.float64).reshape(-1, 4), 2, axis=1)
    sizes = np.array([(i['width'], i['height']) for i in images], np.int64).reshape(-1, 2)

    shown = np.minimum(corner + side, sizes[image]) - np.maximum(corner, 0)
    reasons = {
        'of an image that is not there': image < 0,
        WANTED[0]: ignored,
        'outside the image': ~(shown > 0).all(axis=1),
        'less than a pixel wide or high, or without area': (area <= 0) | (side < 1).any(axis=1),
        WANTED[1]: label < 0,
    }
    why = np.select(list(reasons.values()), range(1, len(reasons) + 1), 0)
    dropped = {reason: count for number, reason in enumerate(reasons, 1) if (count := int((why == number).sum()))}

    wanted = sizes.min(axis=1, initial=np.iinfo(np.int64).max) >= min_size
    if filter_empty:
        wanted &= np.bincount(image[(label >= 0) & (image >= 0)], minlength=len(images)) > 0
    kept = np.flatnonzero((why == 0) & wanted[image])
    # By image, in the order of the file.
    kept = kept[np.argsort(image[kept], kind='stable')]
    images = [image for image, want in zip(images, wanted) if want]
    counts = np.bincount(image[kept], minlength=len(wanted))[wanted]
    names = [i['file_name'].encode() for i in images]
    arrays = dict(
        boxes=np.concatenate([corner[kept], corner[kept] + side[kept]], axis=1),
        labels=label[kept],
        crowd=crowd[kept],
        starts=np.concatenate([[0], np.cumsum(counts)]),
        sizes=sizes[wanted],
        ids=_ids([i['id'] for i in images]),
        names=np.frombuffer(b''.join(names), np.uint8),
        name_starts=np.concatenate([[0], np.cumsum([len(name) for name in names])]).astype(np.int64),
    )
    return arrays, categories, dropped


def _ids(ids: list[int | str]) -> np.ndarray:
    """Whole numbers as such; where there is text, all as JSON."""
    return (
        np.array(ids, np.int64)
        if all(isinstance(i, int) for i in ids)
        else np.array([json.dumps(i) for i in ids], np.str_)
    )


class CocoTable:
    """The arrays of a folder that :func:`build` made, mapped into memory.

    Attributes:
        boxes: ``(N, 4)`` x1, y1, x2, y2 in pixels, those of an image one after the other.
        labels, crowd: ``(N, )``.
        starts: ``(images + 1, )`` rows at which the images' boxes begin.
        sizes: ``(images, 2)`` width, height.
        categories: ids of the categories, by label.
        dropped: number of annotations left out, by reason.
        incomplete: number of entries of each list that lack something.
        totals: length of each list.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        for name in ARRAYS:
            setattr(self, name, np.load(folder / f'{name}.npy', mmap_mode='r'))
        meta = json.loads((folder / META).read_text())
        self.categories, self.dropped = meta['categories'], Counter(meta['dropped'])
        self.incomplete, self.totals = meta['incomplete'], meta['totals']

    @property
    def broken(self) -> int:
        """Number of annotations that nobody wanted to leave out."""
        return sum(count for reason, count in self.dropped.items() if reason not in WANTED)

    def __reduce__(self):
        # A process that is spawned maps the files, too; pickled arrays would be copies.
        return CocoTable, (self.folder,)

    def __len__(self) -> int:
        return len(self.sizes)

    def id(self, index: int) -> int | str:
        """Of an image."""
        found = self.ids[index].item()
        return json.loads(found) if isinstance(found, str) else found

    def name(self, index: int) -> str:
        """File name of an image."""
        return self.names[self.name_starts[index] : self.name_starts[index + 1]].tobytes().decode()
