"""channels_last, mixed precision and torch.compile change the speed, not the gradients."""

import ctypes
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from torch import nn

from ssd_plugin.analysis.benchmarks import synthetic_batches
from tests.support import CONFIGS


def detector():
    model = Config.fromfile(CONFIGS / 'ssd_depthwise_320x240_voc.py').model
    model.backbone.norm_eval = True
    built = MODELS.build(model).train()
    built.init_weights()
    return built


def gradients(model, images, samples, dtype=None):
    model.zero_grad()
    with torch.autocast('cpu', dtype, enabled=dtype is not None):
        losses = model.loss(images, samples)
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


class FakeRunner:
    def __init__(self, model):
        self.model = model


# bfloat16 has 8 significant bits, float16 has 11: after 26 layers another prior may be the hardest.
@pytest.mark.parametrize(
    'options, dtype, least',
    [
        (('ChannelsLastHook',), None, 0.99999),
        pytest.param((dict(type='CompileHook', backend='aot_eager'),), None, 0.99999, marks=pytest.mark.slow),
        ((), torch.bfloat16, 0.9),
        ((), torch.float16, 0.98),
        pytest.param(
            ('ChannelsLastHook', dict(type='CompileHook', backend='aot_eager')),
            torch.bfloat16,
            0.9,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_gradients_point_where_plain_ones_do(options, dtype, least):
    plain = detector()
    other = detector()
    other.load_state_dict(plain.state_dict())
    for option in options:
        HOOKS.build(option if isinstance(option, dict) else dict(type=option)).before_run(FakeRunner(other))
    images, samples = torch.randn(2, 3, 240, 320), synthetic_batches.samples(2, 4, 20, torch.device('cpu'))
    expected, found = gradients(plain, images, samples), gradients(other, images, samples, dtype)
    assert torch.nn.functional.cosine_similarity(expected, found, dim=0) > least
    torch.testing.assert_close(found.norm(), expected.norm(), rtol=0.05, atol=0)


def test_compiled_network_keeps_names_and_runs_compiled():
    model = detector()
    names = list(model.state_dict())
    calls = []

    def backend(graph, inputs):
        calls.append(len(inputs))
        return graph.forward

    HOOKS.build(dict(type='CompileHook', backend=backend)).before_run(FakeRunner(model))
    gradients(model, torch.randn(1, 3, 240, 320), synthetic_batches.samples(1, 2, 20, torch.device('cpu')))
    assert list(model.state_dict()) == names and len(calls) == 3


def test_channels_last_keeps_the_numbers_and_changes_the_layout():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8))
    image = torch.randn(2, 3, 16, 16)
    before = model(image)
    HOOKS.build(dict(type='ChannelsLastHook')).before_run(SimpleNamespace(model=model))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    after = model(image)
    assert after.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)


@pytest.mark.parametrize('gpu', [False, True])
def test_host_memory_is_kept_by_two_settings_of_the_allocator_and_only_without_a_gpu(gpu, monkeypatch):
    settings = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    monkeypatch.setattr(ctypes, 'CDLL', lambda name: SimpleNamespace(mallopt=lambda *values: settings.append(values)))
    HOOKS.build(dict(type='KeepHostMemoryHook')).before_run(SimpleNamespace())
    # glibc: M_MMAP_MAX is -4, M_TRIM_THRESHOLD is -1.
    assert settings == ([] if gpu else [(-4, 0), (-1, 2**31 - 1)])
