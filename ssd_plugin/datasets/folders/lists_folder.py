"""Recognition of the data lists of the PyTorch tutorial."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations import tutorial_lists
from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.errors import UnusableData

from .folder_dataset import ALL, Candidate, FolderDataset, FolderSplit, Part
from .scan import Scan
from .splits import in_order, split_in

FORMAT, TITLE = 'lists', "the PyTorch tutorial's lists"


def recognize(scan: Scan) -> list[Candidate]:
    """Return the lists of a folder: ``NAME_images.json`` with ``NAME_objects.json`` beside it."""
    files = [
        path
        for path in scan.with_suffix('.json')
        if path.name.endswith(tutorial_lists.IMAGES)
        and tutorial_lists.objects_file(path).is_file()
        and path.with_name(tutorial_lists.LABELS).is_file()
    ]
    folders = sorted({path.parent for path in files})
    return [
        Candidate(FORMAT, TITLE, folder, partial(_read, scan, folder, [f for f in files if f.parent == folder]))
        for folder in folders
    ]


def _read(scan: Scan, folder: Path, files: Sequence[Path]) -> FolderDataset:
    """Read the lists.

    Raises:
        UnusableData: They do not match each other.
    """
    loaded = {}
    for path in files:
        try:
            loaded[path] = tutorial_lists.load(path)
        except ValueError as error:
            raise UnusableData(str(error)) from error
    names = loaded[files[0]][2]
    classes = tuple(names[number] for number in sorted(names))
    dataset: dict[str, Any] = dict(type='JsonListsDataset', data_root=str(scan.root), metainfo=dict(classes=classes))
    # Relative paths of images begin at the current folder or, in sets of others, at that of the lists.
    base = next((b for b in (Path(), folder, scan.image_root) if (b / loaded[files[0]][0][0]).is_file()), Path())
    dataset['data_prefix'] = dict(img=str(base.absolute()))
    sources, splits, objects = [], {}, {}
    for path in files:
        name = split_in(path.name.removesuffix(tutorial_lists.IMAGES)) or ALL
        annotations = tutorial_lists.read(path, base)
        entries = {base / image: (image, entry) for image, entry in zip(*loaded[path][:2])}
        objects.update(entries)
        for image in annotations.images:
            image.splits = {name}
        splits[name] = FolderSplit(name, tuple(annotations.images), dict(dataset, ann_file=scan.relative(path)))
        sources.append((path, annotations))

    def part(chosen: Sequence[AnnotatedImage], path: Path) -> Part:
        rows = [objects[image.path] for image in chosen]
        contents = (
            (path, [image for image, _ in rows]),
            (tutorial_lists.objects_file(path), [entry for _, entry in rows]),
            (path.with_name(tutorial_lists.LABELS), {name: number for number, name in names.items()}),
        )
        written = {target: json.dumps(content, ensure_ascii=False).encode() for target, content in contents}
        return Part(dict(dataset, ann_file=str(path.absolute())), written)

    return FolderDataset(
        FORMAT, TITLE, scan.root, folder, classes, in_order(splits), tuple(sources), tutorial_lists.IMAGES, part
    )
