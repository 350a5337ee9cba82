"""COCO's JSON in the layouts of several tools."""

import json
from pathlib import Path
from typing import Any

from tests.sample_folders.samples import CLASSES, SAMPLES, Sample, write_image, write_text


def content(samples: tuple[Sample, ...] | list[Sample], names: str = '{name}.jpg', first_id: int = 1) -> dict[str, Any]:
    """Return the content of a file.

    Args:
        samples: Images.
        names: Pattern of the names of their files.
        first_id: First id of images, annotations and categories.
    """
    images, annotations = [], []
    for number, sample in enumerate(samples, first_id):
        width, height = sample.size
        images.append(dict(id=number, file_name=names.format(name=sample.name), width=width, height=height))
        for name, (x1, y1, x2, y2) in sample.boxes:
            box = [x1, y1, x2 - x1, y2 - y1]
            ids = dict(id=len(annotations) + first_id, image_id=number, category_id=CLASSES.index(name) + first_id)
            annotations.append(dict(**ids, bbox=box, area=box[2] * box[3], iscrowd=0))
    categories = [dict(id=number, name=name, supercategory='') for number, name in enumerate(CLASSES, first_id)]
    return dict(images=images, annotations=annotations, categories=categories)


def of(split: str) -> list[Sample]:
    """Return the samples of a split."""
    return [sample for sample in SAMPLES if sample.split == split]


def own(root: Path) -> None:
    """COCO's own files, with captions and poses of the same images."""
    for sample in SAMPLES:
        write_image(root / f'{sample.split}2017/{sample.name}.jpg', sample)
    for split in ('train', 'val'):
        instances = content(of(split))
        captions = dict(images=instances['images'], annotations=[dict(id=1, image_id=1, caption='A cat.')])
        poses = dict(instances, categories=[dict(id=1, name='cat', keypoints=['nose'])])
        for kind, value in dict(instances=instances, captions=captions, person_keypoints=poses).items():
            write_text(root / f'annotations/{kind}_{split}2017.json', json.dumps(value))


def roboflow(root: Path) -> None:
    """A file in each folder of images; category 0 is the project, and ids of images begin at 0."""
    for split, folder in (('train', 'train'), ('val', 'valid')):
        for sample in of(split):
            write_image(root / folder / f'{sample.name}.jpg', sample)
        value = content(of(split))
        for image in value['images']:
            image['id'] -= 1
        for annotation in value['annotations']:
            annotation['image_id'] -= 1
        for category in value['categories']:
            category['supercategory'] = 'animals'
        value['categories'].insert(0, dict(id=0, name='animals', supercategory='none'))
        write_text(root / folder / '_annotations.coco.json', json.dumps(value))


def cvat(root: Path) -> None:
    """``annotations/instances_default.json`` and ``images``."""
    for sample in SAMPLES:
        write_image(root / f'images/{sample.name}.PNG', sample)
    write_text(root / 'annotations/instances_default.json', json.dumps(content(SAMPLES, '{name}.PNG')))


def label_studio(root: Path) -> None:
    """``result.json`` with ids from 0, sizes that are null, and backslashes in paths."""
    for sample in SAMPLES:
        write_image(root / f'images/{sample.name}.jpg', sample)
    value = content(SAMPLES, r'..\..\files\{name}.jpg', first_id=0)
    value['images'][1].update(width=None, height=None)
    write_text(root / 'result.json', json.dumps(dict(value, info=dict(contributor='Label Studio'))))


LAYOUTS = (own, roboflow, cvat, label_studio)
