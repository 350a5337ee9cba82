import json
import xml.etree.ElementTree as ET

import cv2
import numpy as np
from mmdet.registry import DATASETS

from ssd_plugin.prepare.drawn_shapes import CLASSES, draw_dataset, draw_image

CLASS_META = dict(classes=CLASSES)


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*')) if path.is_file()}


def test_same_seed_draws_the_same_files_and_another_does_not(tmp_path):
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        draw_dataset(tmp_path / name, dict(train=2), seed=seed)
    assert files_of(tmp_path / 'a') == files_of(tmp_path / 'b') != files_of(tmp_path / 'c')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a', 'b', 'c']


def test_voc_and_coco_hold_the_same_boxes(shapes):
    voc = DATASETS.build(
        dict(
            type='VOCDataset',
            data_root=str(shapes),
            metainfo=CLASS_META,
            ann_file='ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root=''),
        )
    )
    coco = DATASETS.build(
        dict(
            type='CocoDataset',
            data_root=str(shapes),
            metainfo=CLASS_META,
            ann_file='instances_train.json',
            data_prefix=dict(img='JPEGImages/'),
        )
    )
    assert len(voc) == len(coco) == 12
    for i in range(len(voc)):
        a, b = voc.get_data_info(i), coco.get_data_info(i)
        assert [x['bbox_label'] for x in a['instances']] == [x['bbox_label'] for x in b['instances']]
        # VOC's far corner is the last pixel, COCO's is behind it.
        for x, y in zip(a['instances'], b['instances']):
            assert np.array_equal(np.add(x['bbox'], [0, 0, 1, 1]), y['bbox'])


def test_boxes_are_tight_inside_the_image_and_of_very_different_sizes():
    sides = []
    for number in range(40):
        image, shapes = draw_image(np.random.default_rng(number), (320, 240))
        assert image.shape == (240, 320, 3) and image.dtype == np.uint8
        for shape in shapes:
            x1, y1, x2, y2 = shape.box
            assert 0 <= x1 < x2 <= 320 and 0 <= y1 < y2 <= 240
            sides.append(np.sqrt((x2 - x1) * (y2 - y1)))
    assert min(sides) < 25 and max(sides) > 110


def test_every_class_is_drawn_and_annotated(shapes):
    counts = dict.fromkeys(CLASSES, 0)
    for path in (shapes / 'Annotations').iterdir():
        for node in ET.parse(path).getroot().findall('object'):
            counts[node.find('name').text] += 1
    assert all(counts.values())
    coco = json.loads((shapes / 'instances_test.json').read_text())
    assert [category['name'] for category in coco['categories']] == list(CLASSES)
    assert cv2.imread(str(shapes / 'JPEGImages' / coco['images'][0]['file_name'])).shape == (240, 320, 3)
