"""The data lists of the PyTorch tutorial."""
import json
from pathlib import Path

from mmdet.datasets import BaseDetDataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class JsonListsDataset(BaseDetDataset):
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
            ValueError: the lists do not fit each other; the message says where.
        """
        images = Path(self.ann_file)
        if not images.name.endswith('_images.json'):
            raise ValueError(f'{images} is not a list of images: its name must end with _images.json')
        objects, labels = images.with_name(images.name.replace('_images', '_objects')), images.with_name('label_map.json')
        paths, annotations, numbers = (json.loads(path.read_text(encoding='utf-8')) for path in (images, objects, labels))
        if len(paths) != len(annotations):
            raise ValueError(f'{images} lists {len(paths)} images, {objects} the objects of {len(annotations)}')
        names = {number: name for name, number in numbers.items() if number > 0}
        if sorted(names) != list(range(1, len(names) + 1)):
            raise ValueError(f'the classes of {labels} are not numbered from 1 on')
        self._metainfo['classes'] = tuple(names[number] for number in sorted(names))
        found = []
        for index, (path, annotation) in enumerate(zip(paths, annotations)):
            columns = [annotation[key] for key in ('boxes', 'labels', 'difficulties')]
            if len({len(column) for column in columns}) != 1 or not set(columns[1]) <= set(names):
                raise ValueError(f'entry {index} of {objects} ({path}) has boxes, labels and difficulties of different numbers, or a '
                                 f'label that {labels} does not have')
            full = Path((self.data_prefix or {}).get('img', ''), path)
            instances = [
                dict(bbox=box, bbox_label=label - 1, ignore_flag=int(difficult)) for box, label, difficult in zip(*columns)
            ]
            found.append(dict(img_path=str(full), img_id=full.stem, instances=instances))
        return found

    def filter_data(self) -> list[dict]:
        """Without the images that have no objects, in training and where ``filter_empty_gt`` says so."""
        wanted = self.test_mode or not (self.filter_cfg or {}).get('filter_empty_gt', False)
        return [info for info in self.data_list if wanted or info['instances']]
