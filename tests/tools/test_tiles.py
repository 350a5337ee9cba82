"""Detection in windows, by the command line, by a config and by Python."""

import json
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import load as read

from ssd_plugin.apis import detect, load
from ssd_plugin.cli.tiled_detection import detect_in_tiles
from ssd_plugin.errors import UserError
from tests.support import config

NAME = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
LIMITS = ('model.test_cfg.score_thr=0.2', 'model.test_cfg.max_per_img=50')


@pytest.fixture
def tiled_config(tmp_path):
    """A config that detects in windows by one line."""
    path = tmp_path / 'tiled.py'
    path.write_text(f"_base_ = '{NAME}'\nmodel = dict(test_cfg=dict(tiles=dict(size=(200, 150), overlap=0.4)))\n")
    return path


def output(result):
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def assert_same(boxes, scores, expected):
    torch.testing.assert_close(torch.as_tensor(scores), expected['scores'], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.as_tensor(boxes), expected['bboxes'], rtol=1e-3, atol=0.05)


def test_tools_config_and_api_detect_the_same_in_windows(tiled_config, shapes_checkpoint, shapes, run_tool, tmp_path):
    found = {}
    ways = dict(config=(tiled_config,), option=(NAME, '--tiles', '200x150', '--tile-overlap', '0.4'), whole=(NAME,))
    for name, (path, *options) in ways.items():
        dump = tmp_path / f'{name}.pkl'
        command = ('test.py', path, shapes_checkpoint, '--out', dump, '--work-dir', tmp_path / name, *options)
        output(run_tool(*command, '--cfg-options', f'data_root={shapes}', *LIMITS))
        found[name] = {sample['img_path']: sample['pred_instances'] for sample in read(dump)}
    for path, expected in found['config'].items():
        assert len(expected['scores']) == 50
        assert_same(found['option'][path]['bboxes'], found['option'][path]['scores'], expected)
        assert found['whole'][path]['scores'].tolist() != expected['scores'].tolist()

    images = list(found['config'])
    out = ('--out-dir', tmp_path / 'out', '--min-score', '0.2', '--top-k', '50', '--no-figures')
    command = ('detect.py', *images, '--config', NAME, '--checkpoint', shapes_checkpoint, *out)
    output(run_tool(*command, '--tiles', '200x150', '--tile-overlap', '0.4'))
    run = json.loads((tmp_path / 'out/detections.json').read_text())
    model = load(tiled_config, shapes_checkpoint, 'cpu')
    by_option = load(NAME, shapes_checkpoint, 'cpu', tiles=dict(size=(200, 150), overlap=0.4))
    for image in run['images']:
        rows = [row for row in run['annotations'] if row['image_id'] == image['id']]
        boxes = torch.tensor([row['bbox'] for row in rows])
        boxes[:, 2:] += boxes[:, :2]
        assert_same(boxes, [row['score'] for row in rows], found['config'][image['file_name']])
        for detector in (model, by_option):
            detections = detect(image['file_name'], 0.2, None, 50, model=detector).detections
            assert_same(detections.bboxes, detections.scores, found['config'][image['file_name']])


def test_training_sees_tiles_and_validates_in_windows(tiled_config, shapes, run_tool, tmp_path):
    short = ('train_cfg.max_iters=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=2', *LIMITS)
    short += ('train_dataloader.dataset.augment.tile=[200,150]',)
    run = ('--work-dir', tmp_path / 'run', '--cfg-options', f'data_root={shapes}', *short)
    assert 'pascal_voc/AP50' in output(run_tool('train.py', tiled_config, *run))


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--tiles', '300'], "'300' is not WIDTHxHEIGHT in pixels, such as 640x480"),
        (['--tiles', '0x300'], "'0x300' is not WIDTHxHEIGHT"),
        (['--tile-overlap', '0.5'], 'give --tiles, too'),
        (['--tiles', '--tile-overlap', '1.5'], 'test_cfg.tiles.overlap must be a fraction of 0 or more and below 1'),
        (['--cfg-options', 'model.test_cfg.tiles.sise=3'], "tiles has no key 'sise'; did you mean size?"),
        (['--cfg-options', 'model.test_cfg.tiles=3'], 'model.test_cfg.tiles must be a dict or None, got 3'),
    ],
)
def test_wrong_arguments_are_one_line(arguments, message, shapes_checkpoint, shapes, run_tool):
    settings = ('--cfg-options', f'data_root={shapes}')
    result = run_tool('test.py', NAME, shapes_checkpoint, *settings, *arguments)
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode and 'Traceback' not in result.stderr
    assert re.search(message, last)


def test_a_config_without_windows_stays_as_it_is():
    cfg = config('ssd300_voc.py')
    before = cfg.to_dict()
    detect_in_tiles(cfg)
    assert cfg.to_dict() == before
    cfg.model.test_cfg.tiles = None
    detect_in_tiles(cfg)
    assert cfg.model.type == 'SingleStageDetector'


def test_the_scale_of_the_pipeline_becomes_the_input_of_the_network():
    cfg = config('ssd300_voc.py')
    detect_in_tiles(cfg, {})
    assert cfg.model.type == 'MultiBoxDetector' and cfg.model.test_cfg.tiles == dict(input_size=(300, 300))
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        (resize,) = (step for step in loader.dataset.pipeline if step.type == 'Resize')
        assert resize.scale_factor == 1.0 and 'scale' not in resize


def test_another_detector_is_refused():
    cfg = Config(dict(model=dict(type='FasterRCNN', test_cfg=dict(tiles={}))))
    with pytest.raises(UserError, match="needs model.type MultiBoxDetector or SingleStageDetector, got 'FasterRCNN'"):
        detect_in_tiles(cfg)
