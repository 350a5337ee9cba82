"""BCCD, which has two boxes without area."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmdet.structures.bbox import get_box_tensor
from mmengine.dataset import pseudo_collate

from ssd_plugin.configs import read_config
from tests.support import CONFIGS, ROOT

FOLDERS = [folder for folder in (ROOT / 'data/bccd', ROOT.parent / 'shared/data/bccd') if folder.is_dir()]
pytestmark = pytest.mark.skipif(not FOLDERS, reason='BCCD is not at data/bccd')
BAD_IMAGES = ('BloodImage_00338', 'BloodImage_00343')


@pytest.fixture(scope='module')
def cfg():
    return read_config(str(CONFIGS / 'bccd/ssd_depthwise_bccd.py'), dict(data_root=str(FOLDERS[0])))


@pytest.fixture
def train_data(cfg):
    """The training dataset with a pipeline that keeps every box: the augmentation would drop those without area."""
    steps = [
        dict(type='LoadEncodedImage', decode=True),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=(320, 240), keep_ratio=False),
        dict(type='PackDetInputs'),
    ]
    dataset = {**cfg.train_dataloader.dataset, 'pipeline': steps}
    # The options of the augmentation, which is not among the steps.
    del dataset['augment']
    return DATASETS.build(dataset)


def test_all_images_are_read(cfg, train_data):
    assert len(train_data) == 292 and len(DATASETS.build(cfg.test_dataloader.dataset)) == 72


def test_the_two_boxes_without_area_are_reported(train_data, caplog):
    logger = logging.getLogger('bccd')
    with caplog.at_level(logging.WARNING, 'bccd'):
        HOOKS.build(dict(type='UnusableBoxesHook')).before_train(
            SimpleNamespace(train_dataloader=SimpleNamespace(dataset=train_data), logger=logger)
        )
    assert '2 ground-truth box(es) in 2 image(s)' in caplog.text and all(name in caplog.text for name in BAD_IMAGES)


def test_the_augmentation_drops_the_boxes_without_area(cfg):
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    indices = [i for i in range(len(dataset)) if dataset.get_data_info(i)['img_id'] in BAD_IMAGES]
    assert len(indices) == len(BAD_IMAGES)
    for index in indices:
        boxes = dataset[index]['data_samples'].gt_instances.bboxes
        assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_boxes_without_area_give_a_finite_loss_and_finite_gradients(cfg, train_data):
    detector = MODELS.build(cfg.model)
    detector.init_weights()
    indices = [i for i in range(len(train_data)) if train_data.get_data_info(i)['img_id'] in BAD_IMAGES]
    batch = detector.data_preprocessor(pseudo_collate([train_data[i] for i in indices]), training=True)
    flat = [
        (get_box_tensor(sample.gt_instances.bboxes)[:, 2:] == get_box_tensor(sample.gt_instances.bboxes)[:, :2])
        for sample in batch['data_samples']
    ]
    # Each of the two images brings one to the head.
    assert [int(sides.all(dim=1).sum()) for sides in flat] == [1, 1]
    losses = detector(**batch, mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters())
