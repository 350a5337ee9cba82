"""YOLO's text files."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS
from mmengine.logging import print_log

from ssd_plugin.errors import UnusableData

from .annotations import yolo
from .augment_option import AugmentOption
from .unusable_data import MAX_FRACTION, excess

UNREADABLE_LINE = 'malformed'


@DATASETS.register_module()
class YOLODataset(AugmentOption, BaseDetDataset):
    """Images with YOLO's label files, read where they lie.

    The label file of ``images/NAME.jpg`` is ``labels/NAME.txt``, or lies beside the image; an image without one has no
    objects. In training, images that cannot be read and labels that cannot be used are skipped and reported. In test
    mode an image without a size and a malformed line are errors.

    Args:
        ann_file: Folder of images, with its subfolders, or a list with an image file in each line.
        names_file: File with the class names by index: ``data.yaml``, ``obj.names`` or ``classes.txt``, relative to
            ``data_root``. By default ``metainfo.classes`` names the indices, or, without these, the first of the usual
            files in ``data_root``.
        keypoints: Whether the points of a pose follow the boxes.
        max_broken: Fraction of unusable images or labels above which training does not start.
        kwargs: Arguments of MMDetection's datasets. ``metainfo.classes`` selects from the names of ``names_file``.
    """

    # Known once the names are read.
    class_names: tuple[str, ...] | None = None

    def __init__(
        self,
        *args: Any,
        names_file: str | None = None,
        keypoints: bool = False,
        max_broken: float = MAX_FRACTION,
        **kwargs: Any,
    ) -> None:
        self.names_file = names_file
        self.keypoints = keypoints
        self.max_broken = max_broken
        super().__init__(*args, **kwargs)

    @property
    def metainfo(self) -> dict:
        """The metadata of the dataset, with the classes of the names file if the config names none."""
        known = super().metainfo
        return known if self.class_names is None else {**known, 'classes': self.class_names}

    def load_data_list(self) -> list[dict]:
        """Return the images of the folder or list.

        Raises:
            UnusableData: The names or the list cannot be read, no image has a label file, or more than ``max_broken``
                of the images or labels cannot be used.
        """
        root = Path(self.data_root or '')
        chosen = super().metainfo.get('classes')
        _, names = yolo.class_names(root, self.names_file, chosen)
        self.class_names = classes = tuple(chosen or names)
        label_of = {index: classes.index(name) for index, name in enumerate(names) if name in classes}
        try:
            images, _ = yolo.listed_images(Path(self.ann_file), root)
        except (OSError, ValueError) as error:
            raise UnusableData(f'the list of images {self.ann_file} cannot be read: {error}') from error
        files = [yolo.label_file(image) for image in images]
        if images and not any(map(Path.is_file, files)):
            raise UnusableData(
                f'none of the {len(images)} images of {self.ann_file} has a label file; that of {images[0]} would be '
                f'{files[0]}'
            )
        sizes = yolo.read_sizes(images)
        self._check(images, sizes)
        self.skipped: Counter[str] = Counter()
        self.first_skipped = ''
        self.labels = 0
        found = [
            dict(
                img_path=str(image),
                img_id=_name(image, root),
                width=size[0],
                height=size[1],
                instances=self._instances(file, size, names, label_of),
            )
            for image, file, size in zip(images, files, sizes)
            if size is not None
        ]
        self._report_skipped()
        return found

    def _check(self, images: Sequence[Path], sizes: Sequence[tuple[int, int] | None]) -> None:
        """Report the images that are skipped.

        Raises:
            UnusableData: There are too many of them, or one in test mode.
        """
        broken = [image for image, size in zip(images, sizes) if size is None]
        if broken and self.test_mode:
            raise UnusableData(
                f'the image {broken[0]} is missing or cannot be read. Evaluation skips nothing: restore the file, or '
                f'remove it from {self.ann_file}'
            )
        what = f'images of {self.ann_file}'
        too_many = excess(
            len(broken), len(images), what, 'are missing or cannot be read', self, 'max_broken', self.max_broken
        )
        if too_many:
            raise UnusableData(f'{too_many}; the first is {broken[0]}')
        for image in broken:
            text = f'an image is skipped because it is missing or cannot be read: {image}'
            print_log(text, 'current', logging.WARNING)

    def _instances(
        self, file: Path, size: tuple[int, int], names: tuple[str, ...], label_of: dict[int, int]
    ) -> list[dict]:
        """Return the objects in a label file in MMDetection's format, and count those that are skipped.

        Raises:
            UnusableData: The file cannot be read, or has a malformed line in test mode.
        """
        try:
            labels, malformed = yolo.read_labels(file.read_bytes(), self.keypoints)
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise UnusableData(f'the label file {file} cannot be read: {error}') from error
        if malformed and self.test_mode:
            line, reason = malformed[0]
            raise UnusableData(f'{file}:{line} cannot be used: {reason}. Evaluation skips nothing: repair the line')
        reasons = yolo.skip_reasons(labels, len(names), size)
        boxes = yolo.pixels(labels, size).tolist()
        self.labels += len(labels) + len(malformed)
        for line, reason in malformed:
            self._skip(UNREADABLE_LINE, f'{file}:{line}: {reason}')
        for label, reason in zip(labels, reasons):
            if reason:
                self._skip(reason, f'{file}:{label.line}: {yolo.explanation(label, reason, len(names))}')
        return [
            dict(bbox=box, bbox_label=label_of[label.index], ignore_flag=0)
            for label, reason, box in zip(labels, reasons, boxes)
            if not reason and label.index in label_of
        ]

    def _skip(self, reason: str, text: str) -> None:
        self.skipped[reason] += 1
        self.first_skipped = self.first_skipped or text

    def _report_skipped(self) -> None:
        """Log the number of skipped labels.

        Raises:
            UnusableData: There are too many.
        """
        total = sum(self.skipped.values())
        if not total:
            return
        what = f'labels of {self.ann_file}'
        counts = ', '.join(f'{reason} ({count})' for reason, count in self.skipped.most_common())
        too_many = excess(total, self.labels, what, 'cannot be used', self, 'max_broken', self.max_broken)
        if too_many:
            raise UnusableData(f'{too_many}: {counts}; the first is {self.first_skipped}')
        text = f'{total} {what} are skipped: {counts}; the first is {self.first_skipped}'
        print_log(text, 'current', logging.WARNING)

    def filter_data(self) -> list[dict]:
        """Return all images, or in training with ``filter_empty_gt`` those with objects."""
        if self.test_mode or not (self.filter_cfg or {}).get('filter_empty_gt', False):
            return self.data_list
        return [info for info in self.data_list if info['instances']]


def _name(image: Path, root: Path) -> str:
    """Return the name of an image in results: its path in the folder, which is unique, without the suffix."""
    return os.path.splitext(image.relative_to(root) if image.is_relative_to(root) else image)[0]
