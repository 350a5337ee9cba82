"""Base class of the datasets in VOC's XML format, which skip broken annotations and report them."""

import logging
import os
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets import XMLDataset
from mmengine.fileio import get
from mmengine.logging import print_log

from ssd_plugin.errors import UnusableData
from ssd_plugin.option_ranges import check_fractions

from .annotations import voc
from .annotations.drawn_sizes import scale_factors, scaled
from .annotations.text_lists import list_lines
from .augment_option import AugmentOption
from .image_files import ImageFinder
from .transforms.image_decoding import UnreadableImage, decode, jpeg_size, read_file, size_of_file
from .unusable_data import MAX_FRACTION, excess


def image_size(root: ET.Element, image_path: str, backend_args: dict[str, Any] | None = None) -> tuple[int, int]:
    """Return the (width, height) of an image: as its XML file states it, or else of the image file.

    Args:
        root: Root of the XML file.
        image_path: Path of the image.
        backend_args: Arguments of MMEngine's file backend; by default it follows from the path.

    Raises:
        InvalidAnnotation: Neither gives a size.
        FileNotFoundError: The image file is missing.
    """
    size = voc.image_size(root)
    if size is not None:
        return size
    try:
        data = read_file(image_path, backend_args)
        size = jpeg_size(data)
        if size is None:
            height, width = decode(data).shape[:2]
            size = width, height
    except UnreadableImage as error:
        raise voc.InvalidAnnotation(f'it has no size, and {image_path} cannot be read: {error}') from error
    return size


class CheckedXMLDataset(AugmentOption, XMLDataset):
    """A dataset in VOC's XML format that reports everything it skips.

    In training, images whose annotation cannot be read are skipped and named in the log, and objects of other classes
    are skipped and counted. In test mode an annotation that cannot be read is an error.

    The XML files may lie anywhere: ``ann_file`` is a list of them, without suffix and relative to ``ann_subdir``, or a
    folder with them. An image is found by the stem of its XML file at any depth in ``img_subdir``, whatever its
    suffix, in the nearest folder first and never among masks.

    Args:
        max_broken: Fraction of unreadable annotations above which training does not start.
        first_pixel: Coordinate of the first pixel; ``None`` for that of the format.
        scale_boxes: Take the sizes from the image files, whose headers are read. Boxes that were drawn on a copy with
            another resolution and the same aspect ratio are scaled; with another aspect ratio, the annotation cannot be
            read.
        kwargs: Arguments of MMDetection's ``XMLDataset``.

    Attributes:
        other_classes: Number of skipped objects by class name.
    """

    first_pixel = voc.FIRST_PIXEL

    def __init__(
        self,
        *args: Any,
        max_broken: float = MAX_FRACTION,
        first_pixel: int | None = None,
        scale_boxes: bool = False,
        **kwargs: Any,
    ) -> None:
        check_fractions(max_broken=max_broken)
        self.max_broken = max_broken
        self.scale_boxes = scale_boxes
        if first_pixel is not None:
            self.first_pixel = first_pixel
        self.other_classes: Counter[str] = Counter()
        super().__init__(*args, **kwargs)

    def annotation_file(self, name: str) -> Path:
        """Return the XML file of an image."""
        return voc.annotation_path(Path(self.sub_data_root, self.ann_subdir), name)

    def image_finder(self) -> ImageFinder | None:
        """Return what finds the images, ``None`` if all files are ``.jpg``, in folders that the XML files name."""
        return ImageFinder(Path(self.sub_data_root, self.img_subdir))

    def image_path(self, file_name: str, root: ET.Element) -> str:
        """Return the path of an image.

        Args:
            file_name: Name of the image file.
            root: Root of the image's XML file.
        """
        return os.path.join(self.sub_data_root, str(Path(self.img_subdir, file_name)))

    def image_size(self, root: ET.Element, image_path: str) -> tuple[int, int]:
        """Return the (width, height) of an image: as the XML file states it, or else of the image file.

        Raises:
            InvalidAnnotation: Neither gives a size.
            FileNotFoundError: The image file is missing.
        """
        return image_size(root, image_path, self.backend_args)

    def load_data_list(self) -> list[dict]:
        """Return the images of the list whose annotation can be read.

        Raises:
            UnusableData: More than ``max_broken`` of the annotations cannot be read, or one in test mode.
        """
        self.cat2label = {name: label for label, name in enumerate(self.metainfo['classes'])}
        names = self._listed()
        finder = self.image_finder()
        images, broken = [], []
        for name in names:
            annotation = self.annotation_file(name)
            image = finder.find(name, annotation) if finder else None
            file_name = f'{name}.jpg' if finder is None or image is None else str(image.relative_to(finder.folder))
            info = dict(img_id=name, file_name=file_name, xml_path=str(annotation))
            try:
                images.append(self.parse_data_info(info))
            except (OSError, voc.InvalidAnnotation) as error:
                if self.test_mode:
                    raise UnusableData(
                        f'the annotation {annotation} cannot be read: {error}. Evaluation skips nothing: restore the '
                        f'file, or remove the image from the list {self.ann_file}'
                    ) from error
                broken.append(f'{annotation}: {error}')
        too_many = excess(
            len(broken),
            len(names),
            f'annotations that {self.ann_file} lists',
            'cannot be read',
            self,
            'max_broken',
            self.max_broken,
        )
        if too_many:
            raise UnusableData(f'{too_many}; the first is {broken[0]}')
        for text in broken:
            print_log(f'an image is skipped because its annotation cannot be read: {text}', 'current', logging.WARNING)
        if self.other_classes:
            counts = ', '.join(f'{name} ({count})' for name, count in self.other_classes.most_common())
            print_log(
                f'{self.ann_file}: objects of classes that are not in metainfo.classes are skipped: {counts}',
                'current',
                logging.WARNING,
            )
        return images

    def _listed(self) -> list[str]:
        """Return the names of the images.

        Raises:
            UnusableData: The list cannot be read, or the folder has no XML files.
        """
        try:
            if os.path.isdir(self.ann_file):
                lines = voc.names_in(Path(self.ann_file), Path(self.sub_data_root, self.ann_subdir))
            else:
                lines = list_lines(get(self.ann_file, backend_args=self.backend_args))
        except (IsADirectoryError, ValueError) as error:
            raise UnusableData(f'the list of images {self.ann_file} cannot be read: {error}') from error
        return [name for name in voc.listed_names(lines, self.annotation_file) if name]

    def parse_data_info(self, img_info: dict) -> dict:
        """Return an image with its objects in MMDetection's format.

        Args:
            img_info: ``img_id``, ``file_name`` and ``xml_path``.

        Raises:
            InvalidAnnotation: The XML file or one of its objects cannot be used.
            OSError: A file cannot be read.
        """
        root = voc.parse(get(img_info['xml_path'], backend_args=self.backend_args))
        img_path = self.image_path(img_info['file_name'], root)
        objects, others = voc.training_objects(root, self.cat2label.__contains__)
        boxes = np.array([found.corners for found in objects], float).reshape(-1, 4) - self.first_pixel
        if self.scale_boxes:
            size, boxes = self._scaled(root, img_path, boxes)
        else:
            size = self.image_size(root, img_path)
        self.other_classes.update(others)
        return dict(
            img_path=img_path,
            img_id=img_info['img_id'],
            xml_path=img_info['xml_path'],
            height=size[1],
            width=size[0],
            instances=[self._instance(found, box) for found, box in zip(objects, boxes.tolist())],
        )

    def _scaled(self, root: ET.Element, image_path: str, boxes: np.ndarray) -> tuple[tuple[int, int], np.ndarray]:
        """Return the (width, height) of an image file, and the boxes ``(N, 4)`` in its resolution.

        Raises:
            InvalidAnnotation: The file has no size, or the boxes are those of an image with another aspect ratio.
            FileNotFoundError: The image file is missing.
        """
        try:
            size = size_of_file(image_path)
        except UnreadableImage as error:
            raise voc.InvalidAnnotation(f'the image {image_path} cannot be read: {error}') from error
        annotated = voc.image_size(root)
        factors = scale_factors(boxes, annotated, size)
        if factors is None:
            raise voc.InvalidAnnotation(
                f'its boxes are those of an image of {"x".join(map(str, annotated or ()))} pixels, but {image_path} '
                f'has {size[0]}x{size[1]}, which is another aspect ratio'
            )
        return size, scaled(boxes, factors, 0)

    def _instance(self, found: voc.VocObject, box: list[float]) -> dict:
        """Return an object in MMDetection's format.

        Args:
            found: The object.
            box: Its xyxy, in pixels that count from 0.
        """
        x1, y1, x2, y2 = box
        # A property of MMDetection's dataset: None unless filter_cfg sets it.
        small = self.bbox_min_size is not None and min(x2 - x1, y2 - y1) < self.bbox_min_size
        return dict(ignore_flag=int(found.difficult or small), bbox=box, bbox_label=self.cat2label[found.name])
