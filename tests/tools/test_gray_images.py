"""Detectors of images with one channel, by a config."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import TRANSFORMS
from mmengine.fileio import load as read

from ssd_plugin.apis import detect, load
from ssd_plugin.cli.trial_build import try_building
from ssd_plugin.errors import UserError
from tests.support import config

NAME = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
GRAY = f"""_base_ = '{NAME}'
model = dict(
    data_preprocessor=dict(mean=[127.0], std=[128.0], bgr_to_rgb=False),
    backbone=dict(in_channels=1),
)
__gray = dict(type='ToGray')
__train = [*_base_.train_pipeline[:-1], __gray, _base_.train_pipeline[-1]]
__test = [*_base_.test_pipeline[:-1], __gray, _base_.test_pipeline[-1]]
train_dataloader = dict(dataset=dict(pipeline=__train))
val_dataloader = dict(dataset=dict(pipeline=__test))
test_dataloader = dict(dataset=dict(pipeline=__test))
"""


def output(result):
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def test_levels_of_gray_images_are_kept_and_colors_weighted():
    to_gray = TRANSFORMS.build(dict(type='ToGray'))
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (to_gray(dict(img=np.dstack([levels] * 3)))['img'] == levels[..., None]).all()
    assert (to_gray(dict(img=levels))['img'] == levels[..., None]).all()
    # Blue, green and red; in floats without rounding.
    colors = np.diag([200.0, 200.0, 200.0]).astype(np.float32).reshape(1, 3, 3)
    assert to_gray(dict(img=colors))['img'].ravel().tolist() == pytest.approx([22.8, 117.4, 59.8])


def test_a_gray_detector_trains_evaluates_and_detects(shapes, run_tool, tmp_path):
    path, work_dir = tmp_path / 'gray.py', tmp_path / 'run'
    path.write_text(GRAY)
    short = ('train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'train_dataloader.batch_size=4')
    short += ('default_hooks.checkpoint.interval=2', 'default_hooks.logger.interval=1', 'param_scheduler.1.end=200')
    # Colors change what is gray, too.
    short += ('train_dataloader.dataset.augment.contrast=[0.5,1.5]', 'model.test_cfg.score_thr=0.0')
    options = ('--cfg-options', f'data_root={shapes}', *short)
    assert 'pascal_voc/AP50' in output(run_tool('train.py', path, '--work-dir', work_dir, *options))
    checkpoint, dump = work_dir / 'iter_2.pth', tmp_path / 'found.pkl'
    weight = torch.load(checkpoint, weights_only=True)['state_dict']['backbone.features.0.conv.weight']
    assert weight.shape[1] == 1
    output(run_tool('test.py', path, checkpoint, '--work-dir', tmp_path / 'test', '--out', dump, *options))
    expected = {sample['img_path']: sample['pred_instances'] for sample in read(dump)}

    image, instances = next(iter(expected.items()))
    options = ('--config', path, '--checkpoint', checkpoint, '--min-score', '0.0', '--out-dir', tmp_path / 'out')
    output(run_tool('detect.py', image, *options))
    rows = json.loads((tmp_path / 'out/detections.json').read_text())['annotations']
    torch.testing.assert_close(torch.tensor([row['score'] for row in rows]), instances['scores'], rtol=1e-4, atol=1e-5)
    model = load(path, checkpoint, 'cpu')
    found = detect(image, 0.0, None, None, model=model)
    torch.testing.assert_close(found.detections.scores, instances['scores'], rtol=1e-4, atol=1e-5)
    # A file of one channel is the same image.
    pixels = cv2.imread(image)
    gray = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    cv2.imwrite(str(tmp_path / 'one.png'), gray)
    cv2.imwrite(str(tmp_path / 'three.png'), np.dstack([gray] * 3))
    one, three = (
        detect(tmp_path / f'{name}.png', 0.0, None, None, model=model).detections for name in ('one', 'three')
    )
    assert one.scores.tolist() == three.scores.tolist() and len(one) == len(found.detections)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(data_preprocessor=dict(mean=[127.0] * 3)), 'data_preprocessor.mean must be one value for gray images'),
        (dict(data_preprocessor=dict(bgr_to_rgb=True)), 'bgr_to_rgb must be False for gray images'),
        (dict(backbone=dict(in_channels=3)), 'model.backbone at an input of 320x240 in gray'),
    ],
)
def test_a_model_that_expects_colors_is_named(change, message):
    cfg = gray_config()
    cfg.merge_from_dict(dict(model=change))
    with pytest.raises(UserError, match=message):
        try_building(cfg, ('train', 'val'))


def test_pipelines_that_do_not_agree_are_named():
    cfg = gray_config()
    cfg.val_dataloader.dataset.pipeline.pop(-2)
    with pytest.raises(UserError, match='of train_dataloader has a step ToGray, and that of val_dataloader has none'):
        try_building(cfg, ('train', 'val'))


def gray_config():
    cfg = config('demo/ssd_depthwise_shapes.py')
    cfg.model.data_preprocessor.update(mean=[127.0], std=[128.0], bgr_to_rgb=False)
    cfg.model.backbone.in_channels = 1
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline.insert(-1, dict(type='ToGray'))
    return cfg
