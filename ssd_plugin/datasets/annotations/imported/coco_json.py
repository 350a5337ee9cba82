"""Labeled sets as COCO's JSON, which names the images relative to the dataset's folder.

What COCO does not know is kept as far as it can be: a crowd is ``iscrowd``, which evaluation ignores; an object that is
``difficult`` has an attribute of that name, by which training ignores it like a crowd, but which pycocotools does not
know, so that it counts in COCO's metric. A polygon or a rotated box is its hull.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.labeled_set import LabeledBox, LabeledImage, LabeledSet

# By which a file is known as one of ours.
CONTRIBUTOR = 'ssd_plugin import'


def content_of(labeled: LabeledSet, images: Iterable[LabeledImage]) -> dict[str, Any]:
    """Return the content of a file with some images of a set, in the order of their names."""
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
    return dict(info=info, images=entries, annotations=annotations, categories=categories)


def encoded(content: dict[str, Any]) -> bytes:
    """Return the bytes of a file: the same for the same content."""
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
