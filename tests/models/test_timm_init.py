import itertools
import sys
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from ssd_plugin.errors import UserError

INIT = dict(type='TimmInit', model='mobilenetv1_100.tag')


def layers(channels):
    """Layers of MobileNetV1 in timm's order and with timm's kind of names, and a classifier."""
    plain = [nn.Conv2d(3, channels[0], 3, bias=False), nn.BatchNorm2d(channels[0])]
    for before, after in itertools.pairwise(channels):
        plain += [nn.Conv2d(before, before, 3, groups=before, bias=False), nn.BatchNorm2d(before)]
        plain += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*plain, nn.Linear(channels[-1], 10))


CHANNELS = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]


@pytest.fixture
def timm(monkeypatch):
    """A module with timm's ``create_model``, which records how it is called."""

    def create_model(name, pretrained, checkpoint_path):
        module.calls.append((name, pretrained, checkpoint_path))
        if isinstance(module.model, Exception):
            raise module.model
        return module.model

    module = SimpleNamespace(calls=[], model=layers(CHANNELS), create_model=create_model)
    monkeypatch.setitem(sys.modules, 'timm', module)
    return module


def backbone(**options):
    built = MODELS.build(dict(type='MobileNetV1', init_cfg=dict(INIT, **options)))
    built.init_weights()
    return built


def test_weights_are_taken_in_order_without_the_classifier(timm):
    built = backbone()
    expected = timm.model.state_dict().values()
    for found, wanted in zip(built.state_dict().values(), expected):
        assert torch.equal(found, wanted)
    assert len(built.state_dict()) == len(expected) - 2
    assert timm.calls == [('mobilenetv1_100.tag', True, '')]


def test_a_copy_of_the_weights_is_read_instead_of_a_download(timm):
    backbone(checkpoint='copy.safetensors')
    assert timm.calls == [('mobilenetv1_100.tag', False, 'copy.safetensors')]


@pytest.mark.parametrize(
    'model, message',
    [
        (layers([16, *CHANNELS[1:]]), r'do not fit MobileNetV1: 0.weight has the shape \(16, 3, 3, 3\)'),
        (layers(CHANNELS[:-1])[:-1], 'it has 150 tensors instead of 162 or more'),
        (OSError('no network\nat all'), 'cannot be loaded by timm: no network. A copy is loaded with'),
    ],
)
def test_weights_that_do_not_fit_or_cannot_be_had_are_an_error(model, message, timm):
    timm.model = model
    with pytest.raises(UserError, match=message):
        backbone()


def test_without_timm_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(UserError, match='need timm.*pip install timm'):
        backbone()
