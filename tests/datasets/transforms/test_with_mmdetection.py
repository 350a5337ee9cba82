"""The augmentation together with MMDetection's own transforms and loaders."""

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.runner import Runner

from ssd_plugin.configs import leaf_datasets, read_config

CLASSES = ('circle', 'square', 'triangle', 'star')
FUSED = dict(type='FusedSSDAugment', scale=(300, 300))
REPLACED = ('Expand', 'MinIoURandomCrop', 'Resize', 'RandomFlip', 'PhotoMetricDistortion')


def voc(shapes, pipeline):
    return dict(
        type='VOCDataset',
        data_root=str(shapes),
        metainfo=dict(classes=CLASSES),
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        pipeline=pipeline,
    )


def test_it_replaces_the_steps_of_mmdetections_ssd(shapes):
    steps = read_config('mmdet::ssd/ssd300_coco.py').train_pipeline
    names = [step.type for step in steps]
    assert set(REPLACED) <= set(names)
    first = names.index('Expand')
    steps = [step for step in steps if step.type not in REPLACED]
    steps.insert(first, FUSED)
    dataset = DATASETS.build(voc(shapes, steps))
    np.random.seed(0)
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample['inputs'].shape == (3, 300, 300) and sample['data_samples'].img_shape == (300, 300)
        instances = sample['data_samples'].gt_instances
        assert isinstance(instances.bboxes, HorizontalBoxes) and len(instances.bboxes) == len(instances.labels) > 0


@pytest.mark.parametrize('mix', ['Mosaic', 'MixUp'])
def test_images_can_be_mixed_before_it(shapes, mix):
    loading = [dict(type='LoadEncodedImage', decode=True), dict(type='LoadAnnotations', with_bbox=True)]
    dataset = DATASETS.build(
        dict(
            type='MultiImageMixDataset',
            dataset=voc(shapes, loading),
            pipeline=[dict(type=mix, img_scale=(320, 240)), FUSED, dict(type='PackDetInputs')],
        )
    )
    np.random.seed(0)
    counts = []
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample['inputs'].shape == (3, 300, 300) and sample['inputs'].float().std() > 5
        counts.append(len(sample['data_samples'].gt_instances.labels))
    assert max(counts) > 4
    assert [sum(leaf.pipeline.transforms[0].reads.totals()) > 12 for _, leaf in leaf_datasets(dataset)] == [True]


def test_a_step_of_mmdetection_may_follow(shapes):
    dataset = DATASETS.build(
        voc(
            shapes,
            [
                dict(type='LoadEncodedImage'),
                dict(type='LoadAnnotations', with_bbox=True),
                FUSED,
                dict(type='RandomFlip', prob=1.0, direction='vertical'),
                dict(type='Resize', scale=(150, 150)),
                dict(type='PackDetInputs'),
            ],
        )
    )
    sample = dataset[0]
    assert sample['inputs'].shape == (3, 150, 150) and sample['inputs'].is_contiguous()


def test_workers_draw_different_numbers_and_the_same_again_under_a_seed(shapes):
    config = dict(
        batch_size=2,
        num_workers=2,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='stack_collate'),
        dataset=voc(
            shapes,
            [
                dict(type='LoadEncodedImage'),
                dict(type='LoadAnnotations', with_bbox=True),
                FUSED,
                dict(type='PackDetInputs'),
            ],
        ),
    )
    first, again, other = (
        [batch['inputs'] for batch in Runner.build_dataloader(config, seed=seed)] for seed in (1, 1, 2)
    )
    assert all((a == b).all() for a, b in zip(first, again))
    assert not all((a == b).all() for a, b in zip(first, other))
