"""What can be wrong with a data set, whatever its format. Each check also repairs the annotation in memory, for ``--fix`` to write."""

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np

from ssd_plugin.datasets.annotations.box_rules import NO_AREA, NOT_FINITE, OUTSIDE, SWAPPED, unusable, usable
from ssd_plugin.datasets.annotations.records import Annotations, Box, Fault, Picture

from .image_scan import FileFacts

# Boxes may end this much beyond the image before it is worth a line: formats disagree about where a pixel begins.
TOLERANCE = 1.0
NOT_READ = FileFacts()
# Lists of images that share some by intention.
NESTED = {('train', 'trainval'), ('trainval', 'val')}


def find(annotations: Annotations, files: dict[Path, FileFacts], few: int) -> list[Fault]:
    """All faults of a data set, those of reading it first; pictures given twice are for :func:`same_pictures`.

    Args:
        annotations: as read.
        files: what is known of the image files; empty if they were not read.
        few: number of objects below which a class is mentioned.
    """
    faults = list(annotations.faults)
    known = annotations.classes and set(annotations.classes)
    for picture in annotations.pictures:
        facts = files.get(picture.path, NOT_READ)
        faults += _file_faults(picture, facts)
        faults += _box_faults(picture, facts.size or picture.size, annotations.first_pixel)
        faults += _repeated(picture)
        faults += _overlapping(picture)
        if known:
            faults += [fault for box in picture.boxes for fault in _class_faults(box, known)]
        if not picture.boxes:
            faults.append(
                Fault('no objects', picture.where, f'{picture.path.name} has no objects; most configs leave it out')
            )
    return faults + _few_objects(annotations, few)


def _file_faults(picture: Picture, facts: FileFacts) -> list[Fault]:
    if facts is NOT_READ:
        return []
    if facts.missing or facts.unreadable:
        picture.drop()
        if facts.missing:
            return [Fault('missing image', picture.where, f'{picture.path} is missing')]
        return [Fault('unreadable image', picture.where, f'{picture.path} cannot be read: {facts.unreadable}')]
    if picture.size is None:
        picture.set_size(facts.size)
        picture.size = facts.size
    elif picture.size != facts.size:
        picture.set_size(facts.size)
        turned = '; are the two swapped, or does EXIF turn it?' if picture.size == facts.size[::-1] else ''
        return [
            Fault(
                'wrong size',
                picture.where,
                '{} is said to have {}x{} pixels and has {}x{}{}'.format(
                    picture.path.name, *picture.size, *facts.size, turned
                ),
            )
        ]
    return []


def _box_faults(picture: Picture, size: tuple[int, int] | None, first_pixel: int) -> list[Fault]:
    """Coordinates that nothing can be learned from, and those beyond the image."""
    corners = np.array([box.corners for box in picture.boxes], dtype=float).reshape(-1, 4)
    # A box may begin on the last pixel, whose number is the size where the first has the number 1.
    masks = unusable(corners, None if size is None else np.add(size, first_pixel))
    faults, kept = [], []
    for index, box in enumerate(picture.boxes):
        kind = next((reason for reason, mask in masks.items() if mask[index]), None)
        if kind is None:
            kept.append(box)
            if size is not None:
                faults += _beyond(box, size, first_pixel)
            continue
        faults.append(
            Fault(
                kind,
                box.where,
                f'{box.name} has the box {_text(box.corners)}'
                + {
                    NOT_FINITE: ', which is not finite',
                    SWAPPED: ': its second corner is left of or above the first',
                    NO_AREA: ', which has no area',
                    OUTSIDE: f', all of it outside the image of {size and size[0]}x{size and size[1]} pixels',
                }[kind],
            )
        )
        x1, y1, x2, y2 = box.corners
        box.corners = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
        if kind == SWAPPED and usable(np.array([box.corners]), np.inf if size is None else size)[0]:
            box.set_corners(box.corners)
            kept.append(box)
            if size is not None:
                # One fault a box is enough; the copy is cut, too.
                _beyond(box, size, first_pixel)
        else:
            box.drop()
    picture.boxes[:] = kept
    return faults


def _beyond(box: Box, size: tuple[int, int], first_pixel: int) -> list[Fault]:
    """Boxes that the image cuts off."""
    x1, y1, x2, y2 = box.corners
    if min(x1, y1) >= -TOLERANCE and x2 <= size[0] + TOLERANCE and y2 <= size[1] + TOLERANCE:
        return []
    box.set_corners((max(x1, first_pixel), max(y1, first_pixel), min(x2, size[0]), min(y2, size[1])))
    return [
        Fault(
            'beyond the image',
            box.where,
            f'{box.name} has the box {_text(box.corners)}, beyond the image of {size[0]}x{size[1]} pixels',
        )
    ]


def _repeated(picture: Picture) -> list[Fault]:
    """The same box of the same class, again."""
    first, faults = {}, []
    for box in picture.boxes:
        key = box.name, box.corners
        if key in first:
            faults.append(
                Fault('box given twice', box.where, f'{box.name} {_text(box.corners)} is the same as {first[key]}')
            )
            box.drop()
        first.setdefault(key, box.where)
    return faults


def _class_faults(box: Box, known: set[str]) -> list[Fault]:
    if box.name in known:
        return []
    plain = {name.casefold(): name for name in known}
    meant = plain.get(box.name.strip().casefold())
    if meant:
        box.set_name(meant)
    return [
        Fault(
            'unknown class',
            box.where,
            f'{box.name!r} is no class of the config' + (f'; {meant!r} is meant?' if meant else ''),
        )
    ]


def _overlapping(picture: Picture) -> list[Fault]:
    """An image in two splits that should share none."""
    pairs = [pair for pair in combinations(sorted(picture.splits), 2) if pair not in NESTED]
    return (
        [Fault('in two splits', picture.where, f'{picture.path.name} is in {" and in ".join(pairs[0])}')]
        if pairs
        else []
    )


def same_pictures(pictures: Iterable[Picture], files: dict[Path, FileFacts]) -> list[Fault]:
    """Files of other names with the same bytes; of one data set, or of several that should share none.

    Args:
        pictures: of all of them.
        files: what is known of the image files.
    """
    faults, first = [], {}
    for picture in pictures:
        digest = files.get(picture.path, NOT_READ).digest
        if digest is None:
            continue
        earlier = first.setdefault(digest, picture.path)
        if earlier != picture.path:
            faults.append(Fault('same picture twice', picture.where, f'{picture.path} has the same bytes as {earlier}'))
    return faults


def _few_objects(annotations: Annotations, few: int) -> list[Fault]:
    counts = Counter(box.name for picture in annotations.pictures for box in picture.boxes)
    names = annotations.classes or tuple(counts)
    where = 'all images'
    return [
        Fault('class with few objects', where, f'{name} has {counts[name]} objects')
        for name in names
        if counts[name] < few
    ]


def _text(corners: tuple[float, ...]) -> str:
    return '(' + ', '.join(f'{value:g}' for value in corners) + ')'
