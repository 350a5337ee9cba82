"""The formats that are recognized in a folder."""

from collections.abc import Callable
from typing import NamedTuple

from . import coco_folder, imported_folder, lists_folder, voc_folder, yolo_folder
from .folder_dataset import Candidate
from .scan import Scan


class Recognizer(NamedTuple):
    """A format.

    Attributes:
        title: Its name for people.
        recognize: Returns the candidates in a folder, without reading all of it.
    """

    title: str
    recognize: Callable[[Scan], list[Candidate]]


IMPORTED = {key: Recognizer(*entry) for key, entry in imported_folder.recognizers().items()}
# By the key that --format takes. Of several descriptions of the same images, that of the first format is read.
RECOGNIZERS: dict[str, Recognizer] = {
    # A file of this kind is COCO as well, but with other boxes.
    'cvat-coco': IMPORTED['cvat-coco'],
    **{
        module.FORMAT: Recognizer(module.TITLE, module.recognize)
        for module in (voc_folder, coco_folder, yolo_folder, lists_folder)
    },
    **IMPORTED,
}


def titles() -> str:
    """Return the names of all formats, for messages."""
    return ', '.join(recognizer.title for recognizer in RECOGNIZERS.values())
