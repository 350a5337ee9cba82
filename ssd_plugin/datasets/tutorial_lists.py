"""The data lists of the PyTorch tutorial."""

from pathlib import Path

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from ssd_plugin.errors import UnusableData

from .annotations.tutorial_lists import COLUMNS, defect, load, objects_file
from .augment_option import AugmentOption


@DATASETS.register_module()
class JsonListsDataset(AugmentOption, BaseDetDataset):
    """The JSON files that ``create_data_lists.py`` of the PyTorch tutorial writes, and ``prepare_data.py lists``.

    The tutorial is github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection (utils.py). The files are
    ``TRAIN_images.json``, a list of image files; ``TRAIN_objects.json``, which holds for each of them
    ``boxes`` (xyxy in pixels from 0), ``labels`` and ``difficulties``; and ``label_map.json``, the number of each
    class, 0 for the background.

    Difficult objects train or are ignored as the matcher's options say, and are neither hits nor misses in evaluation.

    Args:
        ann_file: ``TRAIN_images.json`` or ``TEST_images.json``, beside the other files.
        data_prefix: ``img`` is put before relative image files.
        kwargs: Arguments of MMDetection's datasets. The classes are those of ``label_map.json``.
    """

    # Known once the lists are read.
    class_names: tuple[str, ...] | None = None

    @property
    def metainfo(self) -> dict:
        """The metadata of the dataset, with the classes of ``label_map.json``."""
        known = super().metainfo
        return known if self.class_names is None else {**known, 'classes': self.class_names}

    def load_data_list(self) -> list[dict]:
        """Return all images.

        Raises:
            UnusableData: The lists cannot be read, or do not match each other; the message says where.
        """
        images_file = Path(self.ann_file)
        try:
            paths, annotations, names = load(images_file)
        except ValueError as error:
            raise UnusableData(str(error)) from error
        self.class_names = tuple(names[number] for number in sorted(names))
        found = []
        for index, (path, annotation) in enumerate(zip(paths, annotations)):
            reason = defect(annotation, names)
            if reason:
                raise UnusableData(f'entry {index} of {objects_file(images_file)} ({path}) cannot be used: {reason}')
            full = Path((self.data_prefix or {}).get('img', ''), path)
            instances = [
                dict(bbox=box, bbox_label=label - 1, ignore_flag=int(difficult))
                for box, label, difficult in zip(*(annotation[key] for key in COLUMNS))
            ]
            found.append(dict(img_path=str(full), img_id=full.stem, instances=instances))
        return found

    def filter_data(self) -> list[dict]:
        """Return all images, or in training with ``filter_empty_gt`` those with objects."""
        if self.test_mode or not (self.filter_cfg or {}).get('filter_empty_gt', False):
            return self.data_list
        return [info for info in self.data_list if info['instances']]
