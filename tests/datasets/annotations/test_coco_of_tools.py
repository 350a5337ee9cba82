"""COCO as Roboflow and Label Studio write it: the same for the dataset check and for training."""

import json

import pytest
from mmdet.registry import DATASETS

from ssd_plugin.datasets.annotations import coco
from ssd_plugin.datasets.annotations.coco_rules import without_project
from tests.sample_folders.imported_formats import draw

PROJECT = dict(id=0, name='cells', supercategory='none')
RBC, WBC = (dict(id=i, name=name, supercategory='cells') for i, name in enumerate(('RBC', 'WBC'), 1))


def annotation(number, category=1, image=0):
    fields = dict(segmentation=[], area=600, bbox=[10, 20, 20, 30], iscrowd=0)
    return dict(id=number, image_id=image, category_id=category, **fields)


def write(tmp_path, categories, annotations=(), **image):
    draw(tmp_path / 'a.jpg')
    images = [dict(id=0, file_name='a.jpg', width=80, height=60) | image]
    path = tmp_path / '_annotations.coco.json'
    path.write_text(json.dumps(dict(images=images, categories=categories, annotations=list(annotations))))
    return path


def dataset(path, classes, **options):
    return DATASETS.build(
        dict(
            type='SharedCocoDataset',
            ann_file=str(path),
            data_prefix=dict(img=str(path.parent)),
            metainfo=dict(classes=classes),
            pipeline=[],
            test_mode=True,
            cache_dir=str(path.parent / 'cache'),
        )
        | options
    )


def test_the_category_of_roboflows_project_is_no_class(tmp_path):
    path = write(tmp_path, [PROJECT, RBC, WBC], [annotation(0, 1), annotation(1, 2)])
    read = coco.read(path)
    assert read.classes == ('RBC', 'WBC') and read.issues == []
    (image,) = dataset(path, ('RBC', 'WBC'))
    assert [instance['bbox_label'] for instance in image['instances']] == [0, 1]
    # Who asks for it has trained with it.
    (image,) = dataset(path, ('cells', 'RBC', 'WBC'))
    assert [instance['bbox_label'] for instance in image['instances']] == [1, 2]


@pytest.mark.parametrize(
    'categories, annotations',
    [
        ([PROJECT | dict(id=3), RBC, WBC], []),
        ([PROJECT | dict(supercategory='cells'), RBC], []),
        ([PROJECT | dict(name='other'), RBC], []),
        ([PROJECT, RBC, WBC | dict(supercategory='none')], []),
        ([PROJECT, RBC, WBC], [annotation(0, 0)]),
        # Another category has the name of the project.
        ([PROJECT, RBC | dict(name='cells')], []),
        ([PROJECT], []),
        ([], []),
        ([5, PROJECT], []),
    ],
)
def test_a_category_0_of_any_other_kind_stays(categories, annotations):
    assert without_project(categories, annotations, ()) == categories


@pytest.mark.parametrize('size', [dict(width=None, height=None), dict(height=None)])
def test_a_size_that_label_studio_does_not_write_is_that_of_the_file(size, tmp_path):
    path = write(tmp_path, [RBC], [annotation(0)], **size)
    read = coco.read(path)
    assert read.issues == [] and read.images[0].size == (80, 60)
    (image,) = dataset(path, ('RBC',))
    assert (image['width'], image['height'], len(image['instances'])) == (80, 60, 1)


def test_an_image_without_a_size_whose_file_is_missing_is_incomplete(tmp_path):
    path = write(tmp_path, [RBC], [annotation(0)], width=None, file_name='b.jpg')
    issues = coco.read(path).issues
    assert [issue.kind for issue in issues][:1] == ['incomplete object'] and 'width is None' in str(issues[0])


def test_difficult_objects_of_an_import_are_ignored_as_crowds_are(tmp_path):
    marks = [dict(), dict(difficult=1), dict(iscrowd=1)]
    path = write(tmp_path, [RBC], [annotation(number) | mark for number, mark in enumerate(marks)])
    (image,) = dataset(path, ('RBC',))
    assert [instance['ignore_flag'] for instance in image['instances']] == [0, 1, 1]
