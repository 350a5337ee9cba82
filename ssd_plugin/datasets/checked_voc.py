"""VOC's annotations, of which some may be broken."""
import logging
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from mmdet.datasets import VOCDataset
from mmdet.registry import DATASETS
from mmengine.fileio import list_from_file
from mmengine.logging import print_log


class TooManyBroken(Exception):
    """More annotations than the config allows cannot be read; the message says how many and what to do."""


@DATASETS.register_module()
class CheckedVOCDataset(VOCDataset):
    """MMDetection's ``VOCDataset`` that leaves nothing out silently. In training, images whose annotation cannot be read are skipped and
    named, and objects of classes that are not wanted are counted. For testing every annotation must be whole.

    Args:
        max_broken: share of the annotations that cannot be read above which that is an error.
        kwargs: as of ``VOCDataset``.
    """

    def __init__(self, *args, max_broken: float = 0.05, **kwargs):
        self.max_broken = max_broken
        self.others = Counter()
        super().__init__(*args, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The images of the list whose annotation can be read.

        Raises:
            TooManyBroken: the share of the others is above the limit.
        """
        self.cat2label = {name: label for label, name in enumerate(self.metainfo['classes'])}
        names, images, broken = list_from_file(self.ann_file, backend_args=self.backend_args), [], []
        for name in names:
            annotation = Path(self.sub_data_root, self.ann_subdir, f'{name}.xml')
            info = dict(img_id=name, file_name=str(Path(self.img_subdir, f'{name}.jpg')), xml_path=str(annotation))
            try:
                images.append(self.parse_data_info(info))
            except (ET.ParseError, OSError, AttributeError, TypeError, ValueError) as error:
                if self.test_mode:
                    raise
                broken.append(f'{annotation}: {error}')
        if len(broken) > self.max_broken * len(names):
            raise TooManyBroken(f'{len(broken)} of the {len(names)} annotations that {self.ann_file} names cannot be read, more than the '
                                f'{self.max_broken:.0%} that {type(self).__name__} allows (max_broken); the first is {broken[0]}')
        for text in broken:
            print_log(f'an image is skipped, its annotation cannot be read: {text}', 'current', logging.WARNING)
        if self.others:
            counts = ', '.join(f'{name} ({count})' for name, count in self.others.most_common())
            print_log(f'{self.ann_file}: objects of classes that are not wanted are left out: {counts}', 'current', logging.WARNING)
        return images

    def _parse_instance_info(self, raw_ann_info: ET.ElementTree, minus_one: bool = True) -> list[dict]:
        names = (node.text for node in raw_ann_info.iterfind('object/name'))
        self.others.update(name for name in names if name not in self.cat2label)
        return super()._parse_instance_info(raw_ann_info, minus_one)
