"""The backbone is frozen for the first iterations."""

import copy
import itertools

import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from ssd_plugin.engine.hooks import FreezeBackboneHook
from ssd_plugin.errors import UserError
from ssd_plugin.models.backbones.freezable_backbone import FreezableBackbone
from tests.engine.tiny_runner import tiny_runner

RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.5


class Backbone(FreezableBackbone):
    """Two layers and a batch norm; the first layer may be frozen for good."""

    def __init__(self, frozen_stages):
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2)
        self.freeze_stages([[self.first], [self.second, self.norm]], frozen_stages, False)

    def forward(self, x):
        return self.norm(self.second(self.first(x)))


class Model(BaseModel):
    """A backbone and a head. The states of both before each iteration are kept."""

    def __init__(self, frozen_stages=-1):
        super().__init__()
        self.backbone, self.head = Backbone(frozen_stages), nn.Linear(2, 1)
        self.states, self.batches = [], []

    def forward(self, inputs, data_samples=None, mode='loss'):
        inputs = torch.stack(inputs)
        self.states.append(copy.deepcopy(self.state_dict()))
        self.batches.append(inputs)
        return dict(loss=(self.head(self.backbone(inputs)) - 1).square().sum())


def run(folder, iterations=5, frozen=2, model=None, hooks=(), **settings):
    torch.manual_seed(0)
    model = model or Model()
    runner = tiny_runner(
        folder,
        model=model,
        hooks=(),
        **{
            **dict(
                train_cfg=dict(type='StreamTrainLoop', max_iters=iterations),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)),
                custom_hooks=[dict(type='FreezeBackboneHook', iterations=frozen), *hooks],
                randomness=dict(seed=1),
            ),
            **settings,
        },
    )
    runner.train()
    return model


def same(first, second, part):
    return all(torch.equal(value, second[name]) for name, value in first.items() if name.startswith(part))


def test_weights_and_statistics_stay_for_that_time_and_no_longer(tmp_path):
    states = run(tmp_path).states
    for before, after in itertools.pairwise(states[:3]):
        # Despite weight decay.
        assert same(before, after, 'backbone.') and not same(before, after, 'head.')
    for name in ('backbone.first.weight', 'backbone.norm.weight', 'backbone.norm.running_mean'):
        assert not torch.equal(states[2][name], states[3][name])


def test_the_first_step_after_that_has_no_momentum_of_the_time_before(tmp_path):
    model = run(tmp_path, iterations=4, frozen=2)
    before, after = model.states[2], model.states[3]
    alone = Model()
    alone.load_state_dict(before)
    alone.train()
    alone([*model.batches[2]])['loss'].backward()
    for name, parameter in alone.backbone.named_parameters():
        expected = parameter - RATE * (parameter.grad + DECAY * parameter)
        torch.testing.assert_close(after[f'backbone.{name}'], expected.detach())


@pytest.mark.parametrize('optimizer', ['AdamW', 'SGD'])
def test_a_moving_average_does_not_move_either(optimizer, tmp_path):
    settings = dict(optim_wrapper=dict(optimizer=dict(type=optimizer, lr=RATE, weight_decay=DECAY)))
    hooks = [dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.3, update_buffers=True)]
    model = run(tmp_path, iterations=3, frozen=3, hooks=hooks, **settings)
    saved = torch.load(tmp_path / 'iter_3.pth', weights_only=True)
    assert same(model.states[0], saved['state_dict'], 'backbone.')
    average = {name.removeprefix('module.'): value for name, value in saved['ema_state_dict'].items()}
    assert same(model.states[0], average, 'backbone.') and not same(model.states[0], average, 'head.')


@pytest.mark.parametrize('stop', [1, 2, 3])
def test_a_resumed_run_equals_an_uninterrupted_one(stop, tmp_path):
    hooks = [dict(type='EMAHook', momentum=0.3)]
    every = dict(checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=1))
    run(tmp_path / 'whole', hooks=hooks, default_hooks=every)
    run(tmp_path / 'parts', iterations=stop, hooks=hooks, default_hooks=every)
    checkpoint = str(tmp_path / f'parts/iter_{stop}.pth')
    run(tmp_path / 'parts', hooks=hooks, default_hooks=every, load_from=checkpoint, resume=True)
    whole, parts = (torch.load(tmp_path / name / 'iter_5.pth', weights_only=True) for name in ('whole', 'parts'))
    for key in ('state_dict', 'ema_state_dict'):
        assert same(whole[key], parts[key], '')
    momenta = [
        {index: state['momentum_buffer'] for index, state in found['optimizer']['state'].items()}
        for found in (whole, parts)
    ]
    assert momenta[0].keys() == momenta[1].keys()
    assert all(torch.equal(value, momenta[1][index]) for index, value in momenta[0].items())


def test_what_frozen_stages_keep_stays_frozen(tmp_path):
    model = run(tmp_path, model=Model(frozen_stages=1))
    assert same(model.states[0], model.state_dict(), 'backbone.first')
    assert not same(model.states[0], model.state_dict(), 'backbone.second')
    assert not model.backbone.first.weight.requires_grad and model.backbone.second.weight.requires_grad


def test_a_validation_in_between_does_not_wake_batch_norm(tmp_path):
    class Waking(FreezeBackboneHook):
        def after_train_iter(self, runner, *args, **kwargs):
            # As ValLoop and EMAHook leave the model.
            runner.model.train()

    model = run(tmp_path, iterations=3, frozen=3, custom_hooks=[Waking(3)])
    assert same(model.states[0], model.state_dict(), 'backbone.norm.running')


def test_none_are_frozen_for_no_iterations(tmp_path):
    states = run(tmp_path, frozen=0).states
    assert not same(states[0], states[1], 'backbone.first')


def test_what_cannot_be_frozen_is_one_line(tmp_path):
    with pytest.raises(UserError, match='must be 0 or more, got -1'):
        FreezeBackboneHook(-1)
    with pytest.raises(UserError, match='needs a model with a backbone, which TinyModel does not have'):
        tiny_runner(tmp_path, custom_hooks=[dict(type='FreezeBackboneHook', iterations=1)]).train()
