"""Fixtures that several tests share."""

import re
import shutil
import signal
from functools import partial
from pathlib import Path

import pytest

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from ssd_plugin.apis import load
from ssd_plugin.prepare.drawn_shapes import CLASSES, draw_dataset
from tests.support import config, run_tool_in, tool_server

# A shell starts background jobs with SIGINT ignored, which the programs that tests interrupt would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Run files with slow tests first, so that no worker begins one when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker('slow')}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def mmdet_scope():
    """Names are looked up in MMDetection's registries; random tensors are the same in every run."""
    init_default_scope('mmdet')
    torch.manual_seed(0)


@pytest.fixture(scope='session', autouse=True)
def tool_server_ends():
    """Stop the tool server at the end of the session, if a test has started it."""
    yield
    tool_server.close()


@pytest.fixture(scope='session')
def shapes(tmp_path_factory) -> Path:
    """A small drawn dataset in VOC and COCO layout."""
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    draw_dataset(folder, dict(train=12, test=4), seed=1)
    return folder


@pytest.fixture(scope='session')
def shapes_checkpoint(tmp_path_factory) -> Path:
    """A checkpoint of the detector for the drawn data, with random weights."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('checkpoints') / 'shapes.pth'
    model = MODELS.build(config('demo/ssd_depthwise_shapes.py').model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # The statistics of one batch, without which the features vanish, and with them the image.
            module.momentum = 1.0
    for predictor in model.bbox_head.cls_convs:
        # Scores differ from prior to prior, and few of them are high.
        bias = torch.nn.init.normal_(predictor[-1].bias, std=0.3)
        bias.data[len(CLASSES) :: len(CLASSES) + 1] += 2.5
    with torch.no_grad():
        model(torch.randn(4, 3, 240, 320))
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES))), path)
    return path


@pytest.fixture(scope='session')
def shapes_model(shapes_checkpoint):
    """The detector of the checkpoint."""
    return load('ssd_plugin::demo/ssd_depthwise_shapes.py', shapes_checkpoint, 'cpu')


@pytest.fixture
def faces(shapes, tmp_path):
    """The drawn data as MMDetection's WIDERFaceDataset has it."""
    root = tmp_path / 'faces'
    for split, source in (('train', 'train'), ('val', 'test')):
        listed = (shapes / f'ImageSets/Main/{source}.txt').read_text().split()
        (root / f'WIDER_{split}/Annotations').mkdir(parents=True)
        (root / f'WIDER_{split}/0--Parade').mkdir()
        (root / f'{split}.txt').write_text('\n'.join(listed))
        for name in listed:
            shutil.copy(shapes / f'JPEGImages/{name}.jpg', root / f'WIDER_{split}/0--Parade')
            text = (
                (shapes / f'Annotations/{name}.xml')
                .read_text()
                .replace('<annotation>', '<annotation><folder>0--Parade</folder>', 1)
            )
            (root / f'WIDER_{split}/Annotations/{name}.xml').write_text(re.sub('<name>[a-z]*', '<name>face', text))
    return root


@pytest.fixture
def run_tool(tmp_path):
    """:func:`run_tool_in` an empty folder."""
    return partial(run_tool_in, tmp_path)
