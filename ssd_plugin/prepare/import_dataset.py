"""Labeled sets of any labeling tool, written once as COCO's JSON, one file for each split.

Neither images nor annotations of the source are changed or copied: the files name the images relative to the dataset's
folder. What COCO does not know is kept as far as it can be: a crowd is ``iscrowd``, which evaluation ignores; an object
that is ``difficult`` has an attribute of that name, which pycocotools does not know, so that it counts in COCO's
metric. A polygon or a rotated box is its hull.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.imported.reading import LeftOut
from ssd_plugin.datasets.annotations.labeled_set import LabeledBox, LabeledImage, LabeledSet
from ssd_plugin.datasets.annotations.records import KINDS, Issue
from ssd_plugin.errors import UserError, first_line
from ssd_plugin.files import check_folder, write_atomically

# The file of images without a split.
ALL = 'all'
# By which a file is known as one of ours.
CONTRIBUTOR = 'ssd_plugin import'
# Names and classes in one message.
MAX_NAMED, MAX_CLASSES = 3, 20


def import_to_coco(labeled: LabeledSet, target_folder: Path, log: Callable[[str], None] = print) -> dict[str, Path]:
    """Write a labeled set as COCO's JSON, and report what was found, taken and left out.

    The same set gives the same bytes. A file of an earlier import is replaced.

    Args:
        labeled: The set.
        target_folder: Folder to write to, created if needed, outside of the dataset.
        log: Receives the report, line by line.

    Returns:
        The file of each split: ``SPLIT.json``, with the key and the name ``'all'`` for images without a split.

    Raises:
        UserError: The folder is inside the dataset or cannot be written, or has another file of the same name.
    """
    if target_folder.resolve().is_relative_to(labeled.root.resolve()):
        raise UserError(
            f'{target_folder} is inside the dataset {labeled.root}, where nothing is written; name another folder'
        )
    check_folder(target_folder, 'for the imported annotations')
    splits: dict[str, list[LabeledImage]] = {}
    for image in labeled.images:
        splits.setdefault(image.split or ALL, []).append(image)
    files = {split: target_folder / f'{_file_stem(split)}.json' for split in splits}
    if len(set(files.values())) < len(files):
        raise UserError(f'the splits {", ".join(splits)} of {labeled.root} cannot be told apart by file names')
    contents = {split: _json(labeled, images) for split, images in splits.items()}
    for path in files.values():
        _check_ours(path)
    for line in report(labeled):
        log(line)
    target_folder.mkdir(parents=True, exist_ok=True)
    for split, path in files.items():
        data, images = contents[split], splits[split]
        is_new = not path.exists() or path.read_bytes() != data
        if is_new:
            write_atomically(path, lambda file, data=data: file.write(data))
        boxes = sum(len(image.boxes) for image in images)
        log(f'  {split}: {len(images)} images, {boxes} boxes; {"written to" if is_new else "already in"} {path}')
    return files


def report(labeled: LabeledSet) -> list[str]:
    """Return lines about what a labeled set holds and what was left out of it, without its splits."""
    lost = [issue for issue in labeled.issues if isinstance(issue, LeftOut)]
    boxes = [box for image in labeled.images for box in image.boxes]
    images_found = len(labeled.images) + sum(issue.images for issue in lost)
    boxes_found = len(boxes) + sum(issue.boxes for issue in lost)
    lines = [
        f'{labeled.format} in {labeled.root}: {len(labeled.images)} of {images_found} images and {len(boxes)} of '
        f'{boxes_found} boxes are taken'
    ]
    lines += [f'  {line}' for line in _kinds(labeled.issues)]
    special = [
        (sum(box.shape == 'polygon' for box in boxes), 'polygon(s) are replaced by their box'),
        (sum(box.shape == 'rotated' for box in boxes), 'rotated box(es) are replaced by their hull'),
        (sum(box.crowd for box in boxes), 'crowd(s) stay crowds (iscrowd)'),
        (sum(box.difficult for box in boxes), 'object(s) stay difficult'),
        (sum(not image.boxes for image in labeled.images), 'image(s) have no object'),
    ]
    lines += [f'  {count} {text}' for count, text in special if count]
    counts = Counter(box.name for box in boxes)
    named = ', '.join(f'{name} ({counts[name]})' for name in labeled.classes[:MAX_CLASSES])
    more = f', and {len(labeled.classes) - MAX_CLASSES} more' if len(labeled.classes) > MAX_CLASSES else ''
    return [*lines, f'  {len(labeled.classes)} classes: {named}{more}']


def _kinds(issues: Iterable[Issue]) -> list[str]:
    """Return a line for each kind of issue, with the first ones."""
    by_kind: dict[str, list[Issue]] = {}
    for issue in issues:
        by_kind.setdefault(issue.kind, []).append(issue)
    lines = []
    for kind in sorted(by_kind, key=list(KINDS).index):
        found = by_kind[kind]
        images = sum(issue.images for issue in found if isinstance(issue, LeftOut))
        boxes = sum(issue.boxes for issue in found if isinstance(issue, LeftOut))
        lost = [f'{count} {what}' for count, what in ((images, 'image(s)'), (boxes, 'box(es)')) if count]
        what = f'{" and ".join(lost)} left out' if lost else f'{len(found)} time(s)'
        more = f'; and {len(found) - MAX_NAMED} more' if len(found) > MAX_NAMED else ''
        lines.append(f'{kind}, {what}: {"; ".join(map(str, found[:MAX_NAMED]))}{more}')
    return lines


def _json(labeled: LabeledSet, images: Sequence[LabeledImage]) -> bytes:
    """Return the content of a file, the same bytes for the same images."""
    entries, annotations = [], []
    named = sorted(
        ((Path(os.path.relpath(image.path, labeled.root)).as_posix(), image) for image in images),
        key=lambda pair: pair[0],
    )
    number_of = {name: number for number, name in enumerate(labeled.classes, 1)}
    for image_id, (name, image) in enumerate(named, 1):
        width, height = image.size
        entries.append(dict(id=image_id, file_name=name, width=width, height=height))
        for box in image.boxes:
            annotations.append(_annotation(len(annotations) + 1, image_id, number_of[box.name], box))
    categories = [dict(id=number, name=name, supercategory='') for name, number in number_of.items()]
    info = dict(description=f'Imported from {labeled.format}', contributor=CONTRIBUTOR)
    content = dict(info=info, images=entries, annotations=annotations, categories=categories)
    return f'{json.dumps(content, ensure_ascii=False)}\n'.encode()


def _annotation(number: int, image_id: int, category_id: int, box: LabeledBox) -> dict[str, Any]:
    x1, y1, x2, y2 = box.corners
    width, height = x2 - x1, y2 - y1
    difficult = dict(difficult=1) if box.difficult else {}
    return dict(
        id=number,
        image_id=image_id,
        category_id=category_id,
        bbox=[x1, y1, width, height],
        area=width * height,
        iscrowd=int(box.crowd),
        **difficult,
    )


def _file_stem(split: str) -> str:
    """Return the name of a split as that of a file."""
    return ''.join(letter if letter.isalnum() or letter in '-_. ' else '_' for letter in split).strip('. ') or '_'


def _check_ours(path: Path) -> None:
    """Check that a file is missing, or one of an earlier import.

    Raises:
        UserError: It is another file.
    """
    if not path.exists():
        return
    try:
        content = json.loads(path.read_bytes())
        is_ours = isinstance(content, dict) and (content.get('info') or {}).get('contributor') == CONTRIBUTOR
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise UserError(f'{path} exists and is no imported annotation ({first_line(error)}); move it away') from error
    if not is_ours:
        raise UserError(
            f'{path} exists and is not from an import of {CONTRIBUTOR}; move it away, or name another folder'
        )
