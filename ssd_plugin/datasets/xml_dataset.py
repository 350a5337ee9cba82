"""VOC's annotations, of which some may be broken."""

import logging
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from mmdet.datasets import VOCDataset, WIDERFaceDataset, XMLDataset
from mmdet.registry import DATASETS
from mmengine.fileio import list_from_file
from mmengine.logging import print_log

from ssd_plugin.errors import UnusableData

from .augment_option import AugmentOption
from .image_files import by_name
from .unusable_data import MAX_SHARE


class CheckedXML(AugmentOption, XMLDataset):
    """One of MMDetection's data sets in VOC's format that leaves nothing out silently. In training, images whose annotation cannot be
    read are skipped and named, and objects of classes that are not wanted are counted. For testing every annotation must be whole.
    Images may have other suffixes than .jpg.

    Args:
        max_broken: share of the annotations that cannot be read above which that is an error.
        kwargs: as of MMDetection's data set.
    """

    def __init__(self, *args, max_broken: float = MAX_SHARE, **kwargs):
        self.max_broken = max_broken
        self.others = Counter()
        super().__init__(*args, **kwargs)

    def annotation_file(self, name: str) -> Path:
        """Of an image of the list."""
        return Path(self.sub_data_root, self.ann_subdir, f'{name}.xml')

    def image_files(self) -> dict[str, str]:
        """Image files by name, as far as they can be listed."""
        return by_name(Path(self.sub_data_root, self.img_subdir))

    def image_file(self, file: str) -> str:
        """As MMDetection's data set wants it."""
        return str(Path(self.img_subdir, file))

    def load_data_list(self) -> list[dict]:
        """The images of the list whose annotation can be read.

        Raises:
            UnusableData: the share of the others is above the limit, or for testing there are others.
        """
        self.cat2label = {name: label for label, name in enumerate(self.metainfo['classes'])}
        lines = (line.strip() for line in list_from_file(self.ann_file, backend_args=self.backend_args))
        names, images, broken = [line for line in lines if line], [], []
        files = self.image_files()
        for name in names:
            annotation = self.annotation_file(name)
            info = dict(
                img_id=name, file_name=self.image_file(files.get(name, f'{name}.jpg')), xml_path=str(annotation)
            )
            try:
                images.append(self.parse_data_info(info))
            except (ET.ParseError, OSError, AttributeError, TypeError, ValueError) as error:
                if self.test_mode:
                    raise UnusableData(
                        f'the annotation {annotation} cannot be read: {error}. Testing leaves nothing out: restore it, or '
                        f'take the image off the list {self.ann_file}'
                    ) from error
                broken.append(f'{annotation}: {error}')
        if len(broken) > self.max_broken * len(names):
            raise UnusableData(
                f'{len(broken)} of the {len(names)} annotations that {self.ann_file} names cannot be read, more than the '
                f'{self.max_broken:.0%} that {type(self).__name__} allows (max_broken); the first is {broken[0]}'
            )
        for text in broken:
            print_log(f'an image is skipped, its annotation cannot be read: {text}', 'current', logging.WARNING)
        if self.others:
            counts = ', '.join(f'{name} ({count})' for name, count in self.others.most_common())
            print_log(
                f'{self.ann_file}: objects of classes that are not wanted are left out: {counts}',
                'current',
                logging.WARNING,
            )
        return images

    def _parse_instance_info(self, raw_ann_info: ET.ElementTree, minus_one: bool = True) -> list[dict]:
        names = (node.text for node in raw_ann_info.iterfind('object/name'))
        self.others.update(name for name in names if name not in self.cat2label)
        return super()._parse_instance_info(raw_ann_info, minus_one)


@DATASETS.register_module()
class CheckedVOCDataset(CheckedXML, VOCDataset):
    """:class:`CheckedXML` in VOC's layout."""


@DATASETS.register_module()
class CheckedWIDERFaceDataset(CheckedXML, WIDERFaceDataset):
    """:class:`CheckedXML` in the layout of MMDetection's ``WIDERFaceDataset``."""

    def annotation_file(self, name: str) -> Path:
        """Of an image of the list."""
        return Path(self.data_prefix['img'], 'Annotations', f'{name}.xml')

    def image_files(self) -> dict[str, str]:
        """None: the annotations name the folders."""
        return {}

    def image_file(self, file: str) -> str:
        """Its folder is in the annotation."""
        return file
