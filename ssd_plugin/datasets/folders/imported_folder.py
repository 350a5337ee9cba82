"""Recognition of the formats that are imported into COCO's JSON."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from ssd_plugin.datasets.annotations import coco, imported
from ssd_plugin.datasets.annotations.coco_rules import LISTS
from ssd_plugin.datasets.annotations.imported.coco_json import content_of, encoded
from ssd_plugin.datasets.annotations.imported.report import report
from ssd_plugin.datasets.annotations.labeled_set import LabeledImage, LabeledSet
from ssd_plugin.datasets.annotations.records import AnnotatedImage, Annotations

from .folder_dataset import ALL, Candidate, FolderDataset, FolderSplit, Part
from .scan import Scan, common_folder


def recognizers() -> dict[str, tuple[str, Callable[[Scan], list[Candidate]]]]:
    """Return name and recognizer of each format, by its key."""
    return {known.key: (known.name, partial(_recognize, known)) for known in imported.FORMATS}


def _recognize(known: imported.ImportedFormat, scan: Scan) -> list[Candidate]:
    """Return the annotations of a format in a folder, all files together."""
    files = known.recognize(scan.annotations)
    if not files:
        return []
    place = files[0] if len(files) == 1 else common_folder([path.parent for path in files])
    return [Candidate(known.key, known.name, place, partial(_read, scan, known, files, place))]


def _read(scan: Scan, known: imported.ImportedFormat, files: list[Path], place: Path) -> FolderDataset:
    """Read the annotations of a folder.

    Raises:
        UserError: They cannot be used.
    """
    images = None if scan.image_root == scan.root else scan.image_root
    labeled = imported.read(known, scan.root, files, images, scan.class_attribute)
    by_split: dict[str, list[LabeledImage]] = {}
    for image in labeled.images:
        by_split.setdefault(image.split or ALL, []).append(image)
    sources = {split: _annotations(labeled, split, chosen) for split, chosen in by_split.items()}
    # The findings are those of all splits.
    next(iter(sources.values())).issues[:0] = labeled.issues

    def part(chosen: Sequence[AnnotatedImage], path: Path) -> Part:
        wanted = {(image.path, image.where) for image in chosen}
        # An image may be in several splits.
        by_path = {image.path: image for image in labeled.images if (image.path, image.where) in wanted}
        dataset = dict(
            type='SharedCocoDataset',
            data_root=str(scan.root),
            ann_file=str(path.absolute()),
            data_prefix=dict(img=''),
            metainfo=dict(classes=labeled.classes),
        )
        return Part(dataset, {path: encoded(content_of(labeled, by_path.values()))})

    return FolderDataset(
        known.key,
        known.name,
        scan.root,
        place,
        labeled.classes,
        {split: FolderSplit(split, tuple(sources[split].images), None) for split in _in_order(sources)},
        tuple((scan.root / f'{split}.json', annotations) for split, annotations in sources.items()),
        '.json',
        part,
        notes=tuple(report(labeled)),
    )


def _annotations(labeled: LabeledSet, split: str, images: Sequence[LabeledImage]) -> Annotations:
    """Return the images of a split for the dataset check, which writes its repaired copy as COCO's JSON."""
    content = content_of(labeled, images)
    lists = [content[key] for key in LISTS]
    annotations = coco.read_content(labeled.root / f'{split}.json', content, lists, labeled.root, labeled.classes)
    where = {image.path: image.where for image in images}
    for image in annotations.images:
        image.splits = {split}
        image.where = where.get(image.path, image.where)
        for index, box in enumerate(image.boxes):
            box.where = f'{image.where}: object {index}'
    return annotations


def _in_order(splits: Iterable[str]) -> list[str]:
    """Return the names of splits in the order train, val, test, others."""
    order = ('train', 'val', 'test')
    return sorted(splits, key=lambda name: (order.index(name) if name in order else len(order), name))
