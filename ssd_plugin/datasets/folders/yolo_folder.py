"""Recognition of YOLO's text files, in the folders of several tools."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations import yolo
from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.errors import UnusableData

from .folder_dataset import ALL, Candidate, FolderDataset, FolderSplit, Part
from .scan import Scan, common_folder
from .splits import NAMES, by_split, in_order

FORMAT, TITLE = 'yolo', 'YOLO txt'
# Text files that are looked into.
LOOKED_INTO = 20
# Higher class indices are mistakes.
MOST_CLASSES = 10_000
TEXT_NAMES = tuple(name for name in yolo.NAME_FILES if not name.endswith('.yaml'))


def recognize(scan: Scan) -> list[Candidate]:
    """Return the descriptions by ``data.yaml`` or ``obj.data`` in a folder or, if there is none, its label files."""
    found = [
        Candidate(FORMAT, TITLE, path, partial(_read, scan, path, layout_of))
        for layout_of, paths in (
            (yolo.layout_of_yaml, [path for path in scan.with_suffix('.yaml', '.yml') if _is_data_yaml(path)]),
            (yolo.layout_of_darknet, [path for path in scan.with_suffix('.data') if _is_darknet(path)]),
        )
        for path in paths
    ]
    if found:
        return found
    labels = _label_files(scan)
    if not labels:
        return []
    return [Candidate(FORMAT, TITLE, common_folder([path.parent for path in labels]), partial(_read, scan, None, None))]


def _is_data_yaml(path: Path) -> bool:
    """Return whether a YAML file names classes and splits."""
    try:
        content = yolo.load_yaml(path)
    except UnusableData:
        return path.name in yolo.NAME_FILES
    return bool({'names', 'nc'} & content.keys()) and bool(set(yolo.YAML_SPLITS) & content.keys())


def _is_darknet(path: Path) -> bool:
    text = path.read_bytes()[:4096].decode(errors='replace')
    return 'names' in text and '=' in text


def _label_files(scan: Scan) -> list[Path]:
    """Return the label files of the images or, if these have none, the text files with labels of other images."""
    files = [
        file for file in map(yolo.label_file, scan.images) if file.is_relative_to(scan.annotations) and file.is_file()
    ]
    if _has_labels(files):
        return files
    others = [path for path in scan.with_suffix('.txt') if path.name not in yolo.NAME_FILES]
    return others if _has_labels(others) else []


def _has_labels(files: Sequence[Path]) -> bool:
    """Return whether most of the text files hold labels: text files beside images may be anything."""
    counts = [len(labels) - len(unreadable) for labels, unreadable in islice(_contents(files), LOOKED_INTO)]
    return sum(count > 0 for count in counts) > len(counts) / 2


def _contents(files: Sequence[Path]) -> Any:
    """Yield the labels and the malformed lines of the files that are not empty."""
    for path in files:
        try:
            found = yolo.read_labels(path.read_bytes())
        except (OSError, ValueError):
            found = ([], [(1, '')])
        if any(found):
            yield found


def _read(scan: Scan, path: Path | None, layout_of: Any) -> FolderDataset:
    """Read the labels of a folder.

    Args:
        scan: The files of the folder.
        path: File that describes it, ``None`` if there is none.
        layout_of: Returns the layout that the file describes.

    Raises:
        UnusableData: The description cannot be used, or no label file belongs to an image.
    """
    described = layout_of(path) if path else None
    if described is not None and described.splits and scan.image_root == scan.root:
        splits = _named(described.splits)
        layout = yolo.Layout(scan.root, described.names, splits, described.names_file, described.keypoints)
    else:
        layout = _found_layout(scan, described)
    annotations = yolo.read(layout)
    problem = next((issue for issue in annotations.issues if issue.kind == 'missing annotation'), None)
    if problem:
        raise UnusableData(f'the labels belong to other images: {problem.text}')
    dataset: dict[str, Any] = dict(
        type='YOLODataset', data_root=str(scan.root), data_prefix=dict(), metainfo=dict(classes=layout.names)
    )
    if layout.names_file is not None:
        dataset['names_file'] = scan.relative(layout.names_file)
    if layout.keypoints:
        dataset['keypoints'] = True

    def part(chosen: Sequence[AnnotatedImage], target: Path) -> Part:
        lines = (scan.relative(image.path) for image in chosen)
        config = dict(dataset, ann_file=str(target.absolute()))
        return Part(config, {target: ''.join(f'{line}\n' for line in lines).encode()})

    splits = {
        split: FolderSplit(
            split,
            tuple(image for image in annotations.images if split in image.splits),
            dict(dataset, ann_file=scan.relative(sources[0])) if len(sources) == 1 else None,
        )
        for split, sources in layout.splits.items()
    }
    return FolderDataset(
        FORMAT,
        TITLE,
        scan.root,
        path or scan.annotations,
        layout.names,
        in_order(splits),
        ((scan.root, annotations),),
        '.txt',
        part,
    )


def _named(splits: Mapping[str, tuple[Path, ...]]) -> dict[str, tuple[Path, ...]]:
    """Return the sources of the splits by their usual names; one split alone is all there is."""
    if len(splits) == 1:
        return {ALL: next(iter(splits.values()))}
    return {NAMES[key]: sources for key, sources in splits.items()}


def _found_layout(scan: Scan, described: yolo.Layout | None) -> yolo.Layout:
    """Return the layout of a folder without usable splits in a description.

    Raises:
        UnusableData: There are no images, or none has a label file.
    """
    if not scan.images:
        raise UnusableData(f'{scan.annotations} has labels in {TITLE}, but there are no images in {scan.image_root}')
    names_file = described.names_file if described else _names_file(scan)
    names = described.names if described else yolo.names_of(names_file) if names_file else _numbered(scan)
    splits = by_split(scan.images, scan.root)
    sources = {split: (common_folder([path.parent for path in paths]),) for split, paths in (splits or {}).items()}
    folders = [folder for (folder,) in sources.values()]
    # One folder in another: a list is needed to tell them apart.
    apart = not any(a != b and a.is_relative_to(b) for a in folders for b in folders)
    if len(sources) < 2 or not apart or len(set(folders)) < len(folders):
        sources = {ALL: (common_folder([path.parent for path in scan.images]),)}
    return yolo.Layout(scan.root, names, sources, names_file, bool(described and described.keypoints))


def _names_file(scan: Scan) -> Path | None:
    """Return the text file with the class names, ``None`` if there is none."""
    found = [path for path in Scan(scan.root).files if path.name in TEXT_NAMES]
    return min(found, key=lambda path: (len(path.parts), TEXT_NAMES.index(path.name), path), default=None)


def _numbered(scan: Scan) -> tuple[str, ...]:
    """Return names ``class_N`` for all class indices that occur."""
    files = [file for file in map(yolo.label_file, scan.images) if file.is_file()]
    highest = max((label.index for labels, _ in _contents(files) for label in labels), default=0)
    return tuple(f'class_{number}' for number in range(min(highest, MOST_CLASSES - 1) + 1))
