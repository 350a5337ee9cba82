"""Readers of the formats of labeling tools that are imported once into COCO's JSON: one module for each format.

A module has the name of its format, recognizes files by their content, and reads them into a
:class:`~ssd_plugin.datasets.annotations.labeled_set.LabeledSet`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import UserError

from . import (
    createml,
    cvat,
    label_studio,
    labelme,
    open_images_csv,
    retinanet_csv,
    rotated_coco,
    tensorflow_csv,
    unknown_csv,
    via,
    via_csv,
    via_json,
)

__all__ = ['FORMATS', 'ImportedFormat', 'read', 'recognized', 'unknown_csv']


@dataclass(frozen=True)
class ImportedFormat:
    """A format.

    Attributes:
        key: Name in options.
        name: Name for people.
        recognize: Returns the annotation files of this format in a folder and the folders below, sorted.
        read: Reads annotation files, given the dataset's folder, the files, and the folder of the images or ``None``.
        has_attributes: Whether the class is one of several attributes, which ``read`` takes as ``class_attribute``.
    """

    key: str
    name: str
    recognize: Callable[[Path], list[Path]]
    read: Callable[..., LabeledSet]
    has_attributes: bool = False


FORMATS = tuple(
    ImportedFormat(key, module.FORMAT, module.recognize, module.read, module in (via_json, via_csv))
    for key, module in {
        'cvat': cvat,
        'cvat-coco': rotated_coco,
        'label-studio': label_studio,
        'labelme': labelme,
        'createml': createml,
        'tensorflow-csv': tensorflow_csv,
        'retinanet-csv': retinanet_csv,
        'open-images-csv': open_images_csv,
        'via-json': via_json,
        'via-csv': via_csv,
    }.items()
)


def recognized(folder: Path) -> dict[ImportedFormat, list[Path]]:
    """Return the formats that a folder (or a single file) has annotations in, with the annotation files."""
    found = {known: known.recognize(folder) for known in FORMATS}
    return {known: files for known, files in found.items() if files}


def read(
    known: ImportedFormat,
    root: Path,
    files: list[Path],
    images: Path | None = None,
    class_attribute: str | None = None,
) -> LabeledSet:
    """Read annotation files of a format.

    Args:
        known: The format.
        root: Folder of the dataset.
        files: The annotation files.
        images: Folder of the images, ``None`` to find them in the dataset.
        class_attribute: The attribute with the class, for formats that have several.

    Raises:
        UserError: A file cannot be read, no image can be used, or the attribute is unknown, ambiguous or not used.
    """
    if class_attribute is None:
        return known.read(root, files, images)
    if not known.has_attributes:
        raise UserError(f'{root} is in the format {known.name}, in which classes are not attributes ({via.OPTION})')
    return known.read(root, files, images, class_attribute=class_attribute)
