"""Reading configs, moving their paths, and walking their datasets and pipeline steps."""

import numpy as np
import pytest
import torch
import torchvision
from mmdet.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, ConcatDataset, RepeatDataset

from ssd_plugin.configs import datasets_of_splits, drop_pretrained, leaf_datasets, pipeline_steps, read_config
from ssd_plugin.datasets.samplers import SeededDataset
from ssd_plugin.errors import UserError

A = dict(type='A', pipeline=['a1', 'a2'])
B = dict(type='B', pipeline=['b1'])
MIX = dict(
    type='MultiImageMixDataset',
    dataset=dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[A, B])),
    pipeline=['mix'],
)


def test_leaf_datasets_of_a_config_have_their_config_keys():
    key = 'train_dataloader.dataset'
    found = list(leaf_datasets(MIX, key))
    assert found == [(f'{key}.dataset.dataset.datasets.0', A), (f'{key}.dataset.dataset.datasets.1', B)]
    assert list(leaf_datasets(A)) == [('', A)]


def test_datasets_of_splits_skip_splits_without_a_dataloader():
    cfg = Config(dict(train_dataloader=dict(dataset=MIX), val_dataloader=None, test_dataloader=dict(dataset=B)))
    assert [key for key, _ in datasets_of_splits(cfg)] == [
        'train_dataloader.dataset.dataset.dataset.datasets.0',
        'train_dataloader.dataset.dataset.dataset.datasets.1',
        'test_dataloader.dataset',
    ]
    assert [dataset.type for _, dataset in datasets_of_splits(cfg, ('test',))] == ['B']


def test_pipeline_steps_begin_with_the_innermost_dataset():
    assert [step for step, _ in pipeline_steps(MIX)] == ['a1', 'a2', 'b1', 'mix']
    # Those that an image of the first of several datasets passes through.
    steps = list(pipeline_steps(MIX, first_only=True))
    assert [step for step, _ in steps] == ['a1', 'a2', 'mix']
    assert [source for _, source in steps] == [None, None, MIX['dataset']]


@pytest.fixture
def leaf(shapes):
    """Config of the drawn dataset with two steps."""
    return dict(
        type='CocoDataset',
        data_root=str(shapes),
        ann_file='instances_test.json',
        data_prefix=dict(img='JPEGImages'),
        metainfo=dict(classes=('circle', 'square')),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)],
    )


def test_built_datasets_are_walked_like_their_configs(leaf):
    mix = dict(
        type='MultiImageMixDataset',
        dataset=dict(
            type='ConcatDataset', datasets=[leaf, dict(type='ClassBalancedDataset', dataset=leaf, oversample_thr=0.1)]
        ),
        pipeline=[dict(type='Mosaic', img_scale=(64, 64))],
    )
    built = SeededDataset(DATASETS.build(mix))
    wrapped = dict(type='Wrapper', dataset=mix)
    assert [key for key, _ in leaf_datasets(built)] == [key for key, _ in leaf_datasets(wrapped)]
    assert [key for key, _ in leaf_datasets(built)] == [
        'dataset.dataset.datasets.0',
        'dataset.dataset.datasets.1.dataset',
    ]
    assert all(type(dataset).__name__ == 'CocoDataset' for _, dataset in leaf_datasets(built))
    names = [type(step).__name__ for step, _ in pipeline_steps(built)]
    assert names == [step['type'] for step, _ in pipeline_steps(wrapped)]
    assert names == ['LoadImageFromFile', 'LoadAnnotations'] * 2 + ['Mosaic']
    *_, (mosaic, source) = pipeline_steps(built)
    assert source is built.dataset.dataset and max(mosaic.get_indexes(source)) < len(source)


def test_mmengines_wrappers_are_walked(leaf):
    first, second = DATASETS.build(leaf), DATASETS.build(leaf)
    assert [dataset for _, dataset in leaf_datasets(ConcatDataset([first, second]))] == [first, second]
    assert [dataset for _, dataset in leaf_datasets(RepeatDataset(first, times=2))] == [first]


class Leaf:
    """A dataset of the user, with attributes by the names that wrappers use."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


@pytest.mark.parametrize(
    'attributes',
    [
        dict(dataset=['a.jpg', 'b.jpg']),
        dict(dataset='coco'),
        dict(dataset=np.zeros(3)),
        dict(dataset=dict(images=[])),
        dict(dataset=None, datasets=None),
        dict(datasets=['voc07', 'voc12']),
        dict(datasets=np.zeros((2, 2))),
    ],
)
def test_data_under_the_name_of_a_wrapped_dataset_belongs_to_a_leaf(attributes):
    leaf = Leaf(**attributes, pipeline=['step'])
    assert list(leaf_datasets(leaf, 'data')) == [('data', leaf)]
    assert list(leaf_datasets(Leaf(dataset=leaf))) == [('dataset', leaf)]
    assert list(pipeline_steps(leaf)) == [('step', None)]


def test_names_in_the_config_of_a_leaf_are_no_datasets():
    leaf = dict(type='Custom', dataset='coco', datasets=['train', 'val'])
    assert list(leaf_datasets(leaf, 'data')) == [('data', leaf)]


def test_a_dataset_without_attributes_is_a_leaf_without_steps():
    assert list(leaf_datasets([1, 2])) == [('', [1, 2])] and list(pipeline_steps([1, 2])) == []


def test_a_pipeline_that_is_no_compose_is_one_step():
    def pipeline(results):
        return results

    assert list(pipeline_steps(Leaf(pipeline=pipeline))) == [(pipeline, None)]
    steps = [torch.nn.Identity(), torch.nn.Flatten()]
    for compose in (Compose(steps), torchvision.transforms.Compose(steps)):
        assert [step for step, _ in pipeline_steps(Leaf(pipeline=compose))] == steps
    assert list(pipeline_steps(Leaf(pipeline=None))) == []


def test_data_root_moves_the_paths_below_it_and_no_others(tmp_path):
    path = tmp_path / 'a.py'
    path.write_text(
        "data_root = 'data/x/'\nfiles = [data_root + 'a.txt', 'elsewhere/b.txt']\nnested = dict(root=data_root)\n"
    )
    cfg = read_config(str(path), dict(data_root='/mine'))
    assert cfg.files == ['/mine/a.txt', 'elsewhere/b.txt'] and cfg.nested.root == '/mine/'


@pytest.mark.parametrize('text, problem', [('a = (', 'SyntaxError'), ("_base_ = './b.py'\n", 'b.py')])
def test_a_config_that_cannot_be_read_is_an_error_that_names_it(text, problem, tmp_path):
    path = tmp_path / 'a.py'
    path.write_text(text)
    with pytest.raises(UserError, match=f'config {path}.*{problem}'):
        read_config(str(path))


def test_pretrained_weights_are_dropped_and_other_initializations_kept():
    pretrained, xavier = dict(type='Pretrained', checkpoint='a.pth'), dict(type='Xavier', layer='Conv2d')
    model = ConfigDict(
        init_cfg=pretrained,
        backbone=dict(type='A', checkpoint='a.pth', pretrained=True, stages=[dict(init_cfg=pretrained)]),
        bbox_head=dict(init_cfg=xavier),
    )
    drop_pretrained(model)
    assert model == dict(
        init_cfg=None,
        backbone=dict(type='A', checkpoint=None, pretrained=None, stages=[dict(init_cfg=None)]),
        bbox_head=dict(init_cfg=xavier),
    )
