"""Real data with two boxes that have no area."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
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
    # Without the random steps, which might crop the bad boxes away.
    steps = [
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if not step.type.startswith(('Random', 'Expand', 'Photo'))
    ]
    return DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': steps})


def test_all_images_are_read(cfg, train_data):
    assert len(train_data) == 292 and len(DATASETS.build(cfg.test_dataloader.dataset)) == 72


def test_the_two_bad_boxes_are_reported(train_data, caplog):
    logger = logging.getLogger('bccd')
    with caplog.at_level(logging.WARNING, 'bccd'):
        HOOKS.build(dict(type='UnusableBoxesHook')).before_train(
            SimpleNamespace(train_dataloader=SimpleNamespace(dataset=train_data), logger=logger)
        )
    assert '2 ground-truth box(es) in 2 image(s)' in caplog.text and all(name in caplog.text for name in BAD_IMAGES)


def test_training_on_them_gives_finite_numbers(cfg, train_data):
    detector = MODELS.build(cfg.model)
    detector.init_weights()
    indices = [i for i in range(len(train_data)) if train_data.get_data_info(i)['img_id'] in BAD_IMAGES]
    assert len(indices) == 2
    batch = detector.data_preprocessor(pseudo_collate([train_data[i] for i in indices]), training=True)
    losses = detector(**batch, mode='loss')
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters())
