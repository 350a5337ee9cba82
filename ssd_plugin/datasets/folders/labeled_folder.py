"""A labeled set of a format that is imported, as a folder that was recognized."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledImage, LabeledSet
from ssd_plugin.datasets.annotations.records import AnnotatedBox, AnnotatedImage, Annotations
from ssd_plugin.errors import UserError

from .folder_dataset import ALL, FolderDataset, FolderSplit, Part
from .splits import WHOLE, in_order, split_in


def folder_of(
    key: str, labeled: LabeledSet, annotations: Path, to_json: Callable[[LabeledSet], bytes]
) -> FolderDataset:
    """Return a labeled set as a folder, all of whose splits are parts to write as COCO's JSON.

    Args:
        key: Key of the format.
        labeled: The set.
        annotations: The file or folder that was read.
        to_json: Returns COCO's JSON of a set, with file names relative to its root and categories in the order of its
            classes.
    """
    records = [_annotated(image) for image in labeled.images]
    by_path = dict(zip((image.path for image in labeled.images), labeled.images))

    def write(target: Path) -> None:
        raise UserError(f'--fix does not repair {labeled.format}; import it first, and repair the COCO JSON')

    def part(chosen: Sequence[AnnotatedImage], path: Path) -> Part:
        dataset = dict(
            type='SharedCocoDataset',
            data_root=str(labeled.root),
            ann_file=str(path.absolute()),
            data_prefix=dict(img=''),
            metainfo=dict(classes=labeled.classes),
        )
        images = tuple(by_path[image.path] for image in chosen)
        return Part(dataset, {path: to_json(replace(labeled, images=images))})

    names = {name for record in records for name in record.splits}
    splits = {
        name: FolderSplit(name, tuple(record for record in records if name in record.splits), None) for name in names
    }
    source = annotations, Annotations(records, list(labeled.issues), write, 0, labeled.classes)
    return FolderDataset(
        key,
        labeled.format,
        labeled.root,
        annotations,
        labeled.classes,
        in_order(splits),
        (source,),
        '.json',
        part,
    )


def _annotated(image: LabeledImage) -> AnnotatedImage:
    """Return an image in the records of the dataset check, which does not repair it."""
    boxes = [
        AnnotatedBox(box.name, box.corners, image.where, lambda corners: None, lambda name: None, lambda: None)
        for box in image.boxes
    ]
    split = None if image.split is None or image.split.lower() in WHOLE else split_in(image.split)
    return AnnotatedImage(image.path, image.where, image.size, boxes, {split or ALL}, lambda size: None, lambda: None)
