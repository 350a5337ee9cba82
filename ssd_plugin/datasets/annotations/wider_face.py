"""WIDER FACE in VOC's XML format, in the layout of MMDetection's ``WIDERFaceDataset``.

``train.txt`` lists the images of ``WIDER_train/Annotations/*.xml`` and ``WIDER_train/FOLDER/*.jpg``, where the XML
file names the folder; ``val.txt`` and ``WIDER_val`` likewise.
"""

import xml.etree.ElementTree as ET
from pathlib import Path

from . import voc
from .records import Annotations

# Unlike VOC's own annotations, these count pixels from 0.
FIRST_PIXEL = 0
SPLITS = ('train', 'val')


def annotation_path(folder: Path, name: str) -> Path:
    """Return the XML file of an image in the folder of its split."""
    return folder / 'Annotations' / f'{name}.xml'


def image_folder(root: ET.Element) -> str:
    """Return the folder of an image, relative to the folder of its split, as the root of its XML file names it.

    Raises:
        InvalidAnnotation: The XML file names no folder.
    """
    folder = root.findtext('folder')
    if not folder:
        raise voc.InvalidAnnotation('it names no folder')
    return folder


def layout(root: Path) -> voc.Layout:
    """Return the files of a folder with ``train.txt``, ``val.txt``, ``WIDER_train`` and ``WIDER_val``."""
    return voc.Layout(
        {split: root / f'{split}.txt' for split in SPLITS},
        frozenset(),
        '',
        lambda split, name: annotation_path(root / f'WIDER_{split}', name),
        lambda split, name, element: root / f'WIDER_{split}' / image_folder(element) / f'{name}.jpg',
        FIRST_PIXEL,
        needs_size=True,
    )


def read(root: Path, classes: tuple[str, ...] | None = None) -> Annotations:
    """Read the annotations of every image that ``train.txt`` and ``val.txt`` list.

    Args:
        root: The folder with the lists, ``WIDER_train`` and ``WIDER_val``.
        classes: Names of the known classes, ``None`` to accept all that occur.
    """
    return voc.read_layout(root, layout(root), classes)
