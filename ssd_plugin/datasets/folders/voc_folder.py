"""Recognition of VOC's XML, in any layout of folders."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ssd_plugin.datasets.annotations import voc, yolo
from ssd_plugin.datasets.annotations.drawn_sizes import scale_factors
from ssd_plugin.datasets.annotations.records import AnnotatedImage, Annotations
from ssd_plugin.datasets.annotations.text_lists import list_lines
from ssd_plugin.datasets.image_files import ImageFinder
from ssd_plugin.errors import UnusableData

from .folder_dataset import ALL, Candidate, FolderDataset, FolderSplit, Part
from .scan import Scan, common_folder
from .splits import WHOLE, by_split, in_order, split_in

FORMAT, TITLE = 'voc', 'VOC XML'
# A list is one of images if at least this fraction of its lines names an annotation.
LISTED = 0.5
# If more than this fraction of the boxes begin at 0, coordinates count from 0.
FROM_ZERO = 0.001
LABEL_MAP, LABEL_MAP_START = 'labelmap.txt', b'label:color_rgb'


def recognize(scan: Scan) -> list[Candidate]:
    """Return the VOC annotations in a folder: one candidate, or one for each of several folders with own lists."""
    files = [path for path in scan.with_suffix('.xml') if voc.is_annotation(path) and path.stat().st_size]
    if not files:
        return []
    # The years of VOC are datasets of their own.
    roots = sorted({path.parents[2] for path in scan.with_suffix('.txt') if path.parts[-3:-1] == ('ImageSets', 'Main')})
    years = [root for root in roots if root != scan.root] if len(roots) > 1 else []
    groups = [(root, [path for path in files if path.is_relative_to(root)]) for root in years] or [(None, files)]
    return [
        Candidate(FORMAT, TITLE, root or common_folder([path.parent for path in paths]), partial(_read, scan, paths))
        for root, paths in groups
        if paths
    ]


def _read(scan: Scan, files: Sequence[Path]) -> FolderDataset:
    """Read the annotations of a folder.

    Raises:
        UnusableData: None of them belongs to an image.
    """
    folder = common_folder([path.parent for path in files])
    finder = ImageFinder(scan.image_root)
    found = {path: finder.find(str(path.relative_to(folder).with_suffix('')), path) for path in files}
    images = {path: image for path, image in found.items() if image is not None}
    if not images:
        raise UnusableData(
            f'{folder} has {len(files)} annotations in {TITLE}, but none of their images is in {scan.image_root}: '
            f'{files[0].name} is that of {files[0].stem}.*'
        )
    image_folder = common_folder([image.parent for image in images.values()])
    layout = dict(annotations=scan.relative(folder), images=scan.relative(image_folder))
    sources = _sources(scan, files, folder)
    readable = {split: path for split, path in sources.items() if path is not None}
    if len(readable) < len(sources):
        readable = {ALL: folder}
    annotations = voc.read(scan.root, None, readable, **layout)
    if readable.keys() != sources.keys():
        _set_splits(annotations, scan)
    annotations = replace(annotations, first_pixel=_first_pixel(annotations, scan), scales=_needs_scaling(annotations))
    classes = tuple(sorted({box.name for image in annotations.images for box in image.boxes}))
    dataset: dict[str, Any] = dict(
        type='CheckedVOCDataset',
        data_root=str(scan.root),
        data_prefix=dict(sub_data_root=''),
        ann_subdir=layout['annotations'],
        img_subdir=layout['images'],
        metainfo=dict(classes=classes),
    )
    if annotations.first_pixel != voc.FIRST_PIXEL:
        dataset['first_pixel'] = annotations.first_pixel
    if annotations.scales:
        dataset['scale_boxes'] = True

    def part(chosen: Sequence[AnnotatedImage], path: Path) -> Part:
        lines = (os.path.relpath(image.where, folder).removesuffix('.xml') for image in chosen)
        config = dict(dataset, ann_file=str(path.absolute()))
        return Part(config, {path: ''.join(f'{line}\n' for line in lines).encode()})

    splits = {
        split: FolderSplit(
            split,
            tuple(image for image in annotations.images if split in image.splits),
            None if path is None else dict(dataset, ann_file=scan.relative(path)),
        )
        for split, path in sources.items()
    }
    return FolderDataset(
        FORMAT, TITLE, scan.root, folder, classes, in_order(splits), ((scan.root, annotations),), '.txt', part
    )


def _sources(scan: Scan, files: Sequence[Path], folder: Path) -> dict[str, Path | None]:
    """Return the list or the folder of XML files of each split; ``None`` for one that has neither."""
    lists = _lists(scan, files, folder)
    if lists:
        return lists
    splits = by_split(files, scan.root)
    if splits:
        return {split: _own_folder(paths, files) for split, paths in splits.items()}
    if by_split(scan.images, scan.root):
        return dict.fromkeys(by_split(scan.images, scan.root) or ())
    return {ALL: folder}


def _own_folder(paths: Sequence[Path], files: Sequence[Path]) -> Path | None:
    """Return the folder of some files, ``None`` if it holds others, too."""
    folder = common_folder([path.parent for path in paths])
    return folder if sum(path.is_relative_to(folder) for path in files) == len(paths) else None


def _lists(scan: Scan, files: Sequence[Path], folder: Path) -> dict[str, Path | None]:
    """Return the lists of images by split: text files with the name of a split that name annotations."""
    known = set(files)
    found: dict[str, list[Path]] = defaultdict(list)
    base = scan.root if scan.root in folder.parents or scan.root == folder else folder
    for path in Scan(base).with_suffix('.txt'):
        split = ALL if path.stem.lower() in WHOLE else split_in(path.stem) if _is_name(path.stem) else None
        if split and _names_annotations(path, folder, known):
            found[split].append(path)
    # ImageSets has lists for other tasks, too.
    best = {split: min(paths, key=_list_preference) for split, paths in found.items()}
    if len(best) > 1:
        best.pop(ALL, None)
    return dict(best)


def _list_preference(path: Path) -> tuple[bool, int]:
    return 'Main' not in path.parts, len(path.parts)


def _is_name(stem: str) -> bool:
    """Return whether a name is that of a split alone: VOC has lists of each class, such as ``cat_train``."""
    return '_' not in stem and ' ' not in stem


def _names_annotations(path: Path, folder: Path, known: set[Path]) -> bool:
    try:
        lines = list_lines(path.read_bytes())
    except (OSError, ValueError):
        return False
    names = [name for name in voc.listed_names(lines, partial(voc.annotation_path, folder)) if name]
    return bool(names) and sum(voc.annotation_path(folder, name) in known for name in names) >= LISTED * len(names)


def _set_splits(annotations: Annotations, scan: Scan) -> None:
    """Set the splits of images from the folders of their annotations or, if these say none, their own."""
    splits = by_split([Path(image.where) for image in annotations.images], scan.root)
    splits = splits or by_split([image.path for image in annotations.images], scan.root) or {}
    split_of = {path: split for split, paths in splits.items() for path in paths}
    for image in annotations.images:
        image.splits = {split_of.get(Path(image.where)) or split_of.get(image.path) or ALL}


def _first_pixel(annotations: Annotations, scan: Scan) -> int:
    """Return the coordinate of the first pixel: CVAT, which writes a label map, and others count from 0."""
    if any(path.name == LABEL_MAP and LABEL_MAP_START in path.read_bytes() for path in scan.with_suffix('.txt')):
        return 0
    corners = np.array([box.corners[:2] for image in annotations.images for box in image.boxes], float)
    at_zero = ((corners >= 0) & (corners < voc.FIRST_PIXEL)).any(axis=1) if len(corners) else np.zeros(0)
    return 0 if at_zero.sum() > FROM_ZERO * len(corners) else voc.FIRST_PIXEL


def _needs_scaling(annotations: Annotations) -> bool:
    """Return whether boxes were drawn on images of other sizes than the files have."""
    sizes = yolo.read_sizes(image.path for image in annotations.images)
    for image, size in zip(annotations.images, sizes):
        corners = np.array([box.corners for box in image.boxes], float).reshape(-1, 4) - annotations.first_pixel
        if size is not None and image.size not in (None, size) and scale_factors(corners, image.size, size) != (1, 1):
            return True
    return False
