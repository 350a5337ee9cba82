"""What MMDetection checks of ``init_detector`` and ``inference_detector``, of our configs. All of it holds.

After an array, ``inference_detector`` of MMDetection takes no paths with the same detector, whatever its config: it
replaces the first step of the pipeline in the detector's config.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.structures import DetDataSample
from mmengine.config import Config

from tests.support import CONFIGS

NAME = 'demo/ssd_depthwise_shapes.py'
CLASSES = ('circle', 'square', 'triangle', 'star')


@pytest.mark.parametrize(
    'cfg', [str(CONFIGS / NAME), CONFIGS / NAME, f'ssd_plugin::{NAME}', Path(f'ssd_plugin::{NAME}'), Config]
)
def test_a_config_is_a_path_a_name_or_a_config(cfg, shapes_checkpoint):
    cfg = Config.fromfile(CONFIGS / NAME) if cfg is Config else cfg
    model = init_detector(cfg, str(shapes_checkpoint), device='cpu')
    assert model.dataset_meta['classes'] == CLASSES
    assert model.dataset_meta['palette'][0] == (230, 25, 75)
    assert model.cfg.default_scope == 'mmdet' and not model.training


def test_options_and_palette_take_the_place_of_those_of_the_config(shapes_checkpoint):
    options = dict(model=dict(test_cfg=dict(max_per_img=3)))
    model = init_detector(CONFIGS / NAME, str(shapes_checkpoint), 'random', 'cpu', cfg_options=options)
    assert model.dataset_meta['palette'] == 'random'
    assert len(inference_detector(model, np.zeros((240, 320, 3), np.uint8)).pred_instances) == 3


def test_without_a_checkpoint_the_classes_are_those_of_coco():
    with pytest.warns(UserWarning, match='use COCO classes by default'):
        model = init_detector(CONFIGS / NAME, device='cpu')
    assert len(model.dataset_meta['classes']) == 80


def test_a_list_is_no_config():
    with pytest.raises(TypeError, match='config must be'):
        init_detector([str(CONFIGS / NAME)], device='cpu')


def test_an_image_gives_a_sample_and_a_list_gives_a_list(shapes_checkpoint, shapes):
    model = init_detector(CONFIGS / NAME, str(shapes_checkpoint), device='cpu')
    path = str(next((shapes / 'JPEGImages').iterdir()))
    image = np.random.RandomState(0).randint(0, 256, (100, 150, 3), dtype=np.uint8)
    several = inference_detector(model, [path, path])
    assert len(several) == 2
    assert torch.equal(several[0].pred_instances.bboxes, inference_detector(model, path).pred_instances.bboxes)
    single = inference_detector(model, image)
    assert isinstance(single, DetDataSample) and len(single.pred_instances) > 0
    boxes = single.pred_instances.bboxes
    assert boxes.min() >= 0 and (boxes.amax(dim=0) <= torch.tensor([150, 100, 150, 100])).all()
