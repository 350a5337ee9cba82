"""Folders of the formats that are imported, recognized among all others."""

import json

import numpy as np
import pytest
from mmdet.registry import DATASETS

from ssd_plugin.datasets.folders import describe
from ssd_plugin.datasets.ground_truth import ground_truth_boxes
from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported import test_rotated_coco
from tests.sample_folders.imported_formats import FORMATS, draw, via_rectangle, via_region


@pytest.mark.parametrize('key', FORMATS)
def test_a_part_of_a_folder_is_a_dataset_with_the_boxes_that_were_written(key, tmp_path):
    sample, root, target = FORMATS[key], tmp_path / 'set', tmp_path / 'part.json'
    root.mkdir()
    sample.write(root, sample.samples)
    found = describe(root)
    expected = sample.expected()
    assert found.title == sample.name and found.classes == ('Käse', 'cat', 'dog', 'wild dog')
    assert list(found.splits) == (['train', 'test'] if sample.has_splits else ['all'])
    assert sum(len(split.images) for split in found.splits.values()) == len(expected)
    assert found.notes[0].startswith(f'{sample.name} in {root}: {len(expected)} of {len(expected)} images')
    for split in found.splits.values():
        dataset, files = found.part(split.images, target)
        assert found.part(split.images, target).files == files
        for path, data in files.items():
            path.write_bytes(data)
        built = DATASETS.build({**dataset, 'pipeline': [], 'test_mode': True, 'cache_dir': str(tmp_path / 'cache')})
        assert len(built) == len(split.images)
        boxes = [box[1:] for image in split.images for box in expected[image.path.name][1]]
        assert len(ground_truth_boxes(built).boxes) == len(boxes)
        difference = np.sort(ground_truth_boxes(built).boxes, axis=0) - np.sort(np.array(boxes, float), axis=0)
        assert np.abs(difference).max() <= sample.tolerance


def test_the_dataset_check_names_the_annotation_of_the_tool_and_writes_a_repaired_copy(tmp_path):
    sample = FORMATS['tensorflow_csv']
    sample.write(tmp_path, sample.samples)
    (_, train), _ = sorted(describe(tmp_path).sources, key=lambda source: str(source[0]), reverse=True)
    image = train.images[0]
    assert image.where == f'{tmp_path / "images/train_labels.csv"}:2 (one.jpg)' and image.splits == {'train'}
    assert image.boxes[1].where == f'{image.where}: object 1'
    image.boxes[0].drop()
    train.write(tmp_path / 'repaired')
    assert len(json.loads((tmp_path / 'repaired/train.json').read_bytes())['annotations']) == 2


def test_a_rotated_coco_is_not_read_as_it_lies(tmp_path):
    test_rotated_coco.write(tmp_path, test_rotated_coco.annotation(1, 90.0))
    assert describe(tmp_path).format == 'cvat-coco'
    test_rotated_coco.write(tmp_path, test_rotated_coco.annotation(1))
    assert describe(tmp_path).format == 'coco'


def test_a_csv_beside_the_xml_that_it_was_made_from_is_named_and_not_read(tmp_path):
    draw(tmp_path / 'a.jpg')
    box = '<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>'
    xml = f'<annotation><size><width>80</width><height>60</height></size><object><name>cat</name>{box}</object>'
    (tmp_path / 'a.xml').write_text(f'{xml}</annotation>')
    header = 'filename,width,height,class,xmin,ymin,xmax,ymax'
    (tmp_path / 'labels.csv').write_text(f'{header}\na.jpg,80,60,cat,1,2,30,40\n')
    found = describe(tmp_path)
    assert found.format == 'voc' and found.others == (f'TensorFlow CSV in {tmp_path / "labels.csv"}',)
    assert describe(tmp_path, 'tensorflow-csv').format == 'tensorflow-csv'


def test_the_class_attribute_decides_which_attribute_is_the_class(tmp_path):
    draw(tmp_path / 'a.jpg')
    region = via_region(via_rectangle(1, 2, 3, 4), color='red', kind='cat')
    (tmp_path / 'via.json').write_text(json.dumps({'a': dict(filename='a.jpg', size=1, regions=[region])}))
    with pytest.raises(UserError, match='--class-attribute'):
        describe(tmp_path)
    assert describe(tmp_path, class_attribute='kind').classes == ('cat',)


def test_an_unknown_csv_is_refused_with_its_columns(tmp_path):
    draw(tmp_path / 'a.jpg')
    (tmp_path / 'train.csv').write_text('image_id,bbox,label\na,"[1, 2, 3, 4]",cat\n')
    with pytest.raises(UserError, match=r'train\.csv is a CSV with the columns image_id, bbox, label'):
        describe(tmp_path)
