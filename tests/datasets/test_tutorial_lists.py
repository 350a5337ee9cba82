import json

import pytest
from mmdet.registry import DATASETS

from ssd_plugin.prepare.drawn_shapes import CLASSES


@pytest.fixture
def voc(shapes):
    return DATASETS.build(
        dict(
            type='VOCDataset',
            data_root=str(shapes),
            metainfo=dict(classes=CLASSES),
            ann_file='ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root=''),
        )
    )


@pytest.fixture
def lists(voc, tmp_path):
    """Return a folder with lists as the tutorial's script writes them."""
    infos = [voc.get_data_info(index) for index in range(len(voc))]
    objects = [
        dict(
            boxes=[instance['bbox'] for instance in info['instances']],
            labels=[instance['bbox_label'] + 1 for instance in info['instances']],
            difficulties=[number % 2 for number in range(len(info['instances']))],
        )
        for info in infos
    ]
    objects[3] = dict(boxes=[], labels=[], difficulties=[])
    for name, content in (
        ('TRAIN_images', [info['img_path'] for info in infos]),
        ('TRAIN_objects', objects),
        ('label_map', {**{name: number for number, name in enumerate(CLASSES, 1)}, 'background': 0}),
    ):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    return tmp_path


def build(lists, **options):
    return DATASETS.build(dict(type='JsonListsDataset', data_root=str(lists), ann_file='TRAIN_images.json', **options))


def test_lists_hold_what_the_annotations_say(lists, voc):
    dataset = build(lists)
    assert dataset.metainfo['classes'] == CLASSES and len(dataset) == len(voc)
    for index in (0, 5):
        ours, theirs = dataset.get_data_info(index), voc.get_data_info(index)
        assert ours['img_path'] == theirs['img_path'] and ours['img_id'] == theirs['img_id']
        assert [i['bbox'] for i in ours['instances']] == [i['bbox'] for i in theirs['instances']]
        assert [i['bbox_label'] for i in ours['instances']] == [i['bbox_label'] for i in theirs['instances']]
        assert [i['ignore_flag'] for i in ours['instances']] == [n % 2 for n in range(len(theirs['instances']))]


def test_images_without_objects_are_skipped_in_training_if_filtered(lists):
    filters = dict(filter_empty_gt=True)
    assert [
        len(build(lists, **options))
        for options in (dict(), dict(filter_cfg=filters), dict(filter_cfg=filters, test_mode=True))
    ] == [12, 11, 12]


def test_lists_go_through_the_training_pipeline(lists):
    dataset = build(
        lists,
        pipeline=[
            dict(type='LoadEncodedImage'),
            dict(type='LoadAnnotations', with_bbox=True, box_type=None),
            dict(type='FusedSSDAugment', scale=(64, 48)),
            dict(type='PackDetInputs'),
        ],
    )
    assert dataset[0]['inputs'].shape == (3, 48, 64)


def change(lists, name, change):
    path = lists / f'{name}.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    'name, damage, message',
    [
        ('TRAIN_objects', lambda content: content.pop(), 'lists 12 images, .* has the objects of 11'),
        ('TRAIN_objects', lambda content: content[2]['labels'].append(1), 'entry 2 of'),
        ('TRAIN_objects', lambda content: content[0].update(labels=[9] * len(content[0]['labels'])), 'entry 0 of'),
        ('label_map', lambda content: content.update(heart=7), 'not numbered'),
    ],
)
def test_lists_that_do_not_match_are_named(lists, name, damage, message):
    change(lists, name, damage)
    with pytest.raises(ValueError, match=message):
        build(lists)


def test_another_file_is_refused(lists):
    with pytest.raises(ValueError, match='must end with _images.json'):
        DATASETS.build(dict(type='JsonListsDataset', data_root=str(lists), ann_file='label_map.json'))
