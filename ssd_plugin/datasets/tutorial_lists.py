"""The data lists of the PyTorch tutorial."""

from pathlib import Path

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS

from ssd_plugin.datasets.annotations.tutorial_lists import COLUMNS, load, objects_of, what_is_wrong
from ssd_plugin.errors import UnusableData

from .augment_option import AugmentOption


@DATASETS.register_module()
class JsonListsDataset(AugmentOption, BaseDetDataset):
    """The JSON files that ``create_data_lists.py`` of the PyTorch tutorial
    (github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection, utils.py) writes: ``TRAIN_images.json``, a list of image files;
    ``TRAIN_objects.json``, for each of them ``boxes`` (x1, y1, x2, y2 in pixels from 0), ``labels`` and ``difficulties``; and
    ``label_map.json``, the number of each class, 0 for the background.

    Difficult objects train or are ignored as the matcher says, and are neither hits nor misses in evaluation.

    Args:
        ann_file: ``TRAIN_images.json`` or ``TEST_images.json``; the other files lie beside it.
        data_prefix: ``img`` is put before relative image files.
        kwargs: as of MMDetection's data sets. Classes are those of ``label_map.json``.
    """

    def load_data_list(self) -> list[dict]:
        """All images.

        Raises:
            UnusableData: the lists cannot be read, or do not fit each other; the message says where.
        """
        images = Path(self.ann_file)
        try:
            paths, annotations, names = load(images)
        except ValueError as error:
            raise UnusableData(str(error)) from error
        self._metainfo['classes'] = tuple(names[number] for number in sorted(names))
        found = []
        for index, (path, annotation) in enumerate(zip(paths, annotations)):
            reason = what_is_wrong(annotation, names)
            if reason:
                raise UnusableData(f'entry {index} of {objects_of(images)} ({path}) cannot be used: {reason}')
            full = Path((self.data_prefix or {}).get('img', ''), path)
            instances = [
                dict(bbox=box, bbox_label=label - 1, ignore_flag=int(difficult))
                for box, label, difficult in zip(*(annotation[key] for key in COLUMNS))
            ]
            found.append(dict(img_path=str(full), img_id=full.stem, instances=instances))
        return found

    def filter_data(self) -> list[dict]:
        """Without the images that have no objects, in training and where ``filter_empty_gt`` says so."""
        wanted = self.test_mode or not (self.filter_cfg or {}).get('filter_empty_gt', False)
        return [info for info in self.data_list if wanted or info['instances']]
