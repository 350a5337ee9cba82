import json
import multiprocessing
import pickle
import re

import numpy as np
import pytest
from mmdet.registry import DATASETS, TRANSFORMS

from ssd_plugin.datasets import coco
from ssd_plugin.datasets.ground_truth import collect_boxes, ground_truth_boxes
from ssd_plugin.errors import UnusableData

CLASSES = [f'class {index}' for index in range(4)]


@pytest.fixture
def annotation(tmp_path):
    """Annotations with everything that MMDetection's rules skip, of images that are not sorted by id."""
    random = np.random.RandomState(0)
    images = [dict(id=int(i), file_name=f'ä{i}.jpg', width=100, height=50 + int(i)) for i in random.permutation(40)]
    annotations = []
    for number in range(200):
        box = random.uniform(-20, 90, 2).tolist() + random.uniform(-2, 40, 2).tolist()
        annotations.append(
            dict(
                id=number,
                image_id=int(random.randint(44)),
                category_id=int(random.choice([3, 7, 8, 11, 90])),
                bbox=[round(v, 2) for v in box],
                area=float(random.choice([0, 25, 100])),
                iscrowd=int(random.rand() < 0.2),
                **(dict(ignore=True) if random.rand() < 0.1 else {}),
            )
        )
    # The order of the categories is not that of their ids.
    categories = [
        dict(id=i, name=name)
        for i, name in ((11, 'class 0'), (3, 'class 1'), (90, 'other'), (7, 'class 2'), (8, 'class 3'))
    ]
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return path


def build(annotation, kind='SharedCocoDataset', **options):
    if kind == 'SharedCocoDataset':
        options = {'cache_dir': str(annotation.parent / 'cache'), 'max_broken': 1.0, **options}
    return DATASETS.build(
        {
            **dict(
                type=kind,
                ann_file=str(annotation),
                data_prefix=dict(img='images'),
                metainfo=dict(classes=CLASSES),
                pipeline=[],
            ),
            **options,
        }
    )


def infos(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(filter_cfg=dict(filter_empty_gt=True, min_size=60)),
        dict(filter_cfg=dict(filter_empty_gt=True), test_mode=True),
        dict(indices=7),
        dict(indices=[5, 3, -1]),
    ],
)
def test_images_and_boxes_are_those_of_mmdetection(annotation, options):
    content = json.loads(annotation.read_text())
    known = {image['id'] for image in content['images']}
    ours = build(annotation, **options)
    # MMDetection fails on annotations of unknown images.
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in known]
    annotation.write_text(json.dumps(content))
    theirs = build(annotation, 'CocoDataset', **options)
    assert infos(ours) == infos(theirs) and len(ours) > 2
    assert ours.cat_ids == theirs.cat_ids and ours.cat2label == theirs.cat2label
    assert ours.get_data_info(-1) == theirs.get_data_info(-1)
    assert ours.get_cat_ids(1) == theirs.get_cat_ids(1)


LOADING = [dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True)]


@pytest.mark.parametrize('options', [dict(), dict(indices=[5, 3, -1])])
def test_masks_are_kept_for_a_pipeline_that_loads_them(annotation, options):
    masks = [[[1, 2, 9, 2, 9, 8.5]], dict(size=[50, 100], counts=[0, 5000]), dict(size=[50, 100], counts='ä')]

    def add_masks(content):
        known = {image['id'] for image in content['images']}
        content['annotations'] = [a for a in content['annotations'] if a['image_id'] in known]
        for number, entry in enumerate(content['annotations']):
            entry['segmentation'] = masks[number % 3]

    edit(annotation, add_masks)
    ours = build(annotation, pipeline=LOADING, **options)
    assert infos(ours) == infos(build(annotation, 'CocoDataset', pipeline=LOADING, **options))
    assert 'mask' not in str(infos(build(annotation, **options)))


def test_an_object_without_a_mask_is_ignored_where_masks_are_loaded(annotation):
    info = next(info for info in infos(build(annotation, pipeline=LOADING)) if info['instances'])
    loaded = TRANSFORMS.build(LOADING[0])(dict(info, ori_shape=(info['height'], info['width'])))
    assert loaded['gt_ignore_flags'].all() and len(loaded['gt_masks']) == len(info['instances'])


def test_images_by_category_are_those_of_mmdetection(annotation):
    ours = build(annotation)
    expected = {category: set() for category in ours.cat_ids}
    for info in infos(ours):
        for instance in info['instances']:
            expected[ours.cat_ids[instance['bbox_label']]].add(info['img_id'])
    assert {category: set(ids) for category, ids in ours.cat_img_map.items()} == expected
    assert all(len(ids) == len(set(ids)) for ids in ours.cat_img_map.values()) and all(expected.values())

    def keep_usable(content):
        used = {(i, box) for i, boxes in expected.items() for box in boxes}
        content['annotations'] = [a for a in content['annotations'] if (a['category_id'], a['image_id']) in used]

    edit(annotation, keep_usable)
    theirs = build(annotation, 'CocoDataset').cat_img_map
    assert {category: set(theirs[category]) for category in expected} == expected


def test_skipped_annotations_are_counted(annotation):
    table = build(annotation).table
    total = len(json.loads(annotation.read_text())['annotations'])
    assert total == len(table.boxes) + sum(table.skipped.values()) and len(table.skipped) == 7


def test_it_is_parsed_once_until_file_or_options_change(annotation, monkeypatch):
    calls = []
    parse = coco.SharedCocoDataset._parse
    monkeypatch.setattr(
        coco.SharedCocoDataset, '_parse', staticmethod(lambda *args: (calls.append(args), parse(*args)))
    )
    first = infos(build(annotation))
    assert infos(build(annotation)) == first and len(calls) == 1
    build(annotation, filter_cfg=dict(filter_empty_gt=True))
    assert len(calls) == 2
    edit(annotation, lambda content: content['images'][0].update(file_name='another name.jpg'))
    assert build(annotation).get_data_info(0)['img_path'] == 'images/another name.jpg' and len(calls) == 3


def test_processes_that_start_together_parse_it_once(annotation):
    with multiprocessing.get_context('fork').Pool(4) as pool:
        counts = pool.map(_number_of_images, [annotation] * 4)
    assert counts == [40] * 4
    assert len([path for path in (annotation.parent / 'cache').iterdir() if path.is_dir()]) == 1


def _number_of_images(annotation):
    return len(build(annotation))


def test_a_copy_in_another_process_maps_the_same_files(annotation):
    dataset = build(annotation)
    data = pickle.dumps(dataset)
    assert infos(pickle.loads(data)) == infos(dataset)
    assert len(pickle.dumps(dataset.table)) < 500


@pytest.mark.parametrize('options', [dict(), dict(indices=[5, 3, -1])])
def test_the_table_of_boxes_is_that_of_the_images_one_by_one(annotation, options):
    dataset = build(annotation, **options)
    fast, slow = ground_truth_boxes(dataset), collect_boxes(dataset)
    for name in ('boxes', 'images', 'labels', 'sizes'):
        np.testing.assert_array_equal(getattr(fast, name), getattr(slow, name))


def test_the_table_of_boxes_is_made_without_the_images(annotation, monkeypatch):
    dataset = build(annotation)
    monkeypatch.setattr(dataset, 'get_data_info', None)
    assert len(ground_truth_boxes(dataset).boxes) == len(dataset.table.boxes)


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda content: content['annotations'].append(content['annotations'][0]), 'not unique'),
        (lambda content: content.pop('images'), 'one of the lists images'),
        (lambda content: content.update(annotations={}), 'one of the lists images'),
    ],
)
def test_unusable_files_are_named_and_leave_no_folder(annotation, damage, message):
    edit(annotation, damage)
    with pytest.raises(UnusableData, match=f'instances.json cannot be used.*{message}'):
        build(annotation)
    assert not [path for path in (annotation.parent / 'cache').iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    'classes, message',
    [
        (['class 1', 'class 0'], "its 'class 0' would be called 'class 1'.*to \\('class 0', 'class 1'\\)"),
        (['class 0', 'nothing', 'class 2'], "its 'class 2' would be called 'nothing'"),
    ],
)
def test_classes_that_would_name_labels_wrongly_are_refused(annotation, classes, message):
    """MMDetection takes them, and counts labels in the order of the file."""
    with pytest.raises(UnusableData, match=message):
        build(annotation, metainfo=dict(classes=classes))
    assert list(build(annotation, metainfo=dict(classes=['class 0', 'class 2', 'nothing'])).cat2label) == [11, 7]


def test_a_file_that_is_not_json_is_named(annotation):
    annotation.write_text('{"images": [')
    with pytest.raises(UnusableData, match='instances.json cannot be used'):
        build(annotation)


def edit(annotation, change):
    content = json.loads(annotation.read_text())
    change(content)
    annotation.write_text(json.dumps(content))


INCOMPLETE = [
    ('annotations', lambda entry: entry.pop('bbox')),
    ('annotations', lambda entry: entry['bbox'].pop()),
    ('annotations', lambda entry: entry.update(area='large')),
    ('annotations', lambda entry: entry.update(image_id=[1])),
    ('images', lambda entry: entry.pop('width')),
    ('images', lambda entry: entry.update(height=float('nan'))),
    ('images', lambda entry: entry.update(file_name=7)),
    ('categories', lambda entry: entry.pop('id')),
]


@pytest.mark.parametrize('kind, damage', INCOMPLETE)
def test_incomplete_entries_are_skipped_and_counted_in_training_and_refused_in_test_mode(
    annotation, kind, damage, monkeypatch
):
    complete = build(annotation).table
    edit(annotation, lambda content: damage(content[kind][-1]))
    said = []
    monkeypatch.setattr(coco, 'print_log', lambda text, *args: said.append(text))
    table = build(annotation).table
    assert (
        table.incomplete == {**dict(images=0, annotations=0, categories=0), kind: 1} and table.totals == complete.totals
    )
    assert any(re.search(rf'{kind} of .* are skipped: .*incomplete', text) for text in said)
    with pytest.raises(UnusableData, match=rf'used: {kind}\[\d+\]: '):
        build(annotation, test_mode=True)


def test_more_unusable_annotations_than_allowed_are_an_error(annotation):
    table = build(annotation).table
    fraction = table.broken / table.totals['annotations']
    assert 0 < table.broken < sum(table.skipped.values())
    assert len(build(annotation, max_broken=fraction + 0.01)) and len(build(annotation, max_broken=0.0, test_mode=True))
    with pytest.raises(UnusableData, match=f'{table.broken} of the 200 annotations .*max_broken.*outside the image'):
        build(annotation, max_broken=fraction - 0.01)


def test_the_arrays_of_an_earlier_state_of_the_file_are_removed(annotation):

    def parsed():
        return {path for path in (annotation.parent / 'cache').iterdir() if path.is_dir()}

    first = infos(dataset := build(annotation))
    build(annotation, test_mode=True)
    assert len(before := parsed()) == 2
    edit(annotation, lambda content: content['images'][0].update(file_name='another.jpg'))
    build(annotation)
    assert len(parsed()) == 1 and not parsed() & before
    # A dataset that has them mapped keeps them.
    assert infos(dataset) == first


def test_a_folder_that_cannot_be_written_is_named(annotation):
    (annotation.parent / 'file').write_text('')
    with pytest.raises(OSError, match='cache_dir'):
        build(annotation, cache_dir=str(annotation.parent / 'file'))
