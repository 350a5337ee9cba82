"""WIDER FACE in VOC's XML format."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

from mmdet.datasets import WIDERFaceDataset
from mmdet.registry import DATASETS

from .annotations import voc, wider_face
from .xml_dataset import CheckedXMLDataset


@DATASETS.register_module()
class CheckedWIDERFaceDataset(CheckedXMLDataset, WIDERFaceDataset):
    """:class:`CheckedXMLDataset` in the layout of MMDetection's ``WIDERFaceDataset``.

    ``data_prefix.img`` is the folder of a split, ``WIDER_train/`` or ``WIDER_val/``.
    """

    first_pixel = wider_face.FIRST_PIXEL

    def annotation_file(self, name: str) -> Path:
        """Return the XML file of an image."""
        return wider_face.annotation_path(Path(self.data_prefix['img']), name)

    def image_finder(self) -> None:
        """Return ``None``: all files are ``.jpg``, in folders that the XML files name."""

    def image_path(self, file_name: str, root: ET.Element) -> str:
        """Return the path of an image.

        Args:
            file_name: Name of the image file.
            root: Root of the image's XML file, which names the folder.

        Raises:
            InvalidAnnotation: It names no folder.
        """
        return os.path.join(self.data_prefix['img'], wider_face.image_folder(root), file_name)

    def image_size(self, root: ET.Element, image_path: str) -> tuple[int, int]:
        """Return the (width, height) of an image as its XML file states it.

        Raises:
            InvalidAnnotation: It does not.
        """
        size = voc.image_size(root)
        if size is None:
            raise voc.InvalidAnnotation('it has no size')
        return size
