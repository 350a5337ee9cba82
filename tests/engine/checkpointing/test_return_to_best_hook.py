"""A real runner on a toy model, whose validation losses are given by iteration."""

import copy
import itertools
import re

import pytest
import torch
from mmdet.registry import DATASETS, METRICS, MODELS
from mmdet.structures import DetDataSample
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from torch import nn

from ssd_plugin.errors import UserError
from tests.fault_tolerance.runs import assert_same


@DATASETS.register_module()
class ToyNumbers(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        nothing = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
        sample = DetDataSample(metainfo=dict(img_id=int(index)), gt_instances=nothing, ignored_instances=nothing)
        return dict(inputs=torch.randn(3), data_samples=sample)


@MODELS.register_module()
class ToyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 1), nn.BatchNorm1d(3)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.layer(self.norm(torch.stack(inputs))).square().mean()

    def train_step(self, data, optim_wrapper):
        loss = self(**data)
        optim_wrapper.update_params(loss)
        return dict(loss=loss.detach())

    def val_step(self, data):
        return [self(**data)]


@METRICS.register_module()
class GivenLosses(BaseMetric):
    """The validation loss of each iteration, whatever the model."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        # MMEngine notes the index of the iteration, except in a run that resumes with a validation.
        return dict(val_loss=self.losses[(MessageHub.get_current_instance().get_info('iter') + 1) // 2 * 2])


def loader(sampler, **options):
    return dict(batch_size=2, num_workers=0, dataset=dict(type='ToyNumbers'), sampler=dict(type=sampler, **options))


# The rate falls after iteration 8, whose best is that of iteration 4, and again after iteration 14 (best: 10).
LOSSES = {2: 3.0, 4: 1.0, 6: 2.0, 8: 2.0, 10: 0.5, 12: 0.6, 14: 0.7, 16: 0.4}
RUNTIME = dict(
    default_scope='mmdet',
    model=dict(type='ToyModel'),
    train_dataloader=loader('StreamSampler', shuffle=True),
    val_dataloader=loader('DefaultSampler', shuffle=False),
    val_evaluator=dict(type='GivenLosses', losses=LOSSES),
    train_cfg=dict(type='StreamTrainLoop', max_iters=16, val_interval=2),
    val_cfg=dict(),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
    param_scheduler=dict(type='ReduceOnPlateauLR', monitor='val_loss', factor=0.1, patience=1),
    default_hooks=dict(
        checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=1, save_best='val_loss'),
        logger=dict(type='LoggerHook', interval=100, log_metric_by_epoch=False),
    ),
    log_processor=dict(type='ExactLogProcessor', by_epoch=False),
    custom_hooks=[dict(type='FiniteStepsHook'), dict(type='ReturnToBestHook')],
    randomness=dict(seed=0),
)
NUMBERS = itertools.count()
EMA = dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.1)


def runner_in(folder, **changes):
    # MMEngine keeps one log for all runs of a process with the same name.
    name = f'return_to_best_{next(NUMBERS)}'
    return Runner(work_dir=str(folder), experiment_name=name, **copy.deepcopy({**RUNTIME, **changes}))


def train(folder, **changes):
    runner_in(folder, **changes).train()


def checkpoint(folder, name):
    return torch.load(folder / name, weights_only=True)


def rate(folder, iteration):
    return checkpoint(folder, f'iter_{iteration}.pth')['optimizer']['param_groups'][0]['lr']


@pytest.mark.parametrize('ema', [False, True])
def test_training_continues_from_the_best_weights_at_the_reduced_rate(ema, tmp_path):
    hooks = [*RUNTIME['custom_hooks'], *([EMA] if ema else [])]
    train(tmp_path / 'whole', custom_hooks=hooks)
    assert [rate(tmp_path / 'whole', i) for i in (8, 9, 14, 15)] == pytest.approx([0.1, 0.01, 0.01, 0.001])
    # The same, with the state of iteration 4 put into the place of that of iteration 8, and the rate of iteration 9.
    folder = tmp_path / 'moved'
    state = checkpoint(tmp_path / 'whole', 'iter_8.pth')
    best = checkpoint(tmp_path / 'whole', 'iter_4.pth')
    names = ['state_dict', *(['ema_state_dict'] if ema else [])]
    state.update({name: best[name] for name in names})
    state['optimizer']['state'] = best['optimizer']['state']
    for group in state['optimizer']['param_groups']:
        group['lr'] = 0.01
    folder.mkdir()
    torch.save(state, folder / 'iter_8.pth')
    # Iteration 9 alone, after a validation that changes nothing.
    train(
        folder,
        custom_hooks=[*([EMA] if ema else [])],
        resume=True,
        load_from=str(folder / 'iter_8.pth'),
        train_cfg=dict(type='StreamTrainLoop', max_iters=9, val_interval=100),
        param_scheduler=dict(type='ConstantLR', factor=1.0, by_epoch=False),
    )
    found, expected = (checkpoint(where, 'iter_9.pth') for where in (tmp_path / 'whole', folder))
    for name in [*names, 'optimizer']:
        if name == 'optimizer':
            assert_same(found[name]['state'], expected[name]['state'])
        else:
            assert_same(found[name], expected[name])


@pytest.mark.parametrize('moment', [7, 8, 9, 13, 14])
def test_a_run_resumed_around_a_fall_equals_an_uninterrupted_one(moment, tmp_path):
    hooks = [*RUNTIME['custom_hooks'], EMA]
    train(tmp_path / 'whole', custom_hooks=hooks)
    stop = dict(type='StreamTrainLoop', max_iters=moment, val_interval=2)
    train(tmp_path / 'run', custom_hooks=hooks, train_cfg=stop)
    train(tmp_path / 'run', custom_hooks=hooks, resume=True)
    found, expected = (checkpoint(tmp_path / name, 'iter_16.pth') for name in ('run', 'whole'))
    for name in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert_same(found[name], expected[name])


def drop_optimizer(path):
    torch.save({key: value for key, value in checkpoint(path.parent, path.name).items() if key != 'optimizer'}, path)


@pytest.mark.parametrize(
    'damage, reason',
    [
        (lambda path: path.unlink(), 'it cannot be read: .*No such file'),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), 'it is truncated'),
        # As a run without the hook has saved it.
        (drop_optimizer, 'it holds no state to resume from: optimizer missing'),
    ],
)
def test_a_best_checkpoint_that_cannot_be_loaded_is_reported_and_training_goes_on(damage, reason, tmp_path, capfd):
    runner = runner_in(tmp_path)
    val = runner.val_loop.run

    def run():
        if runner.iter == 8:
            for path in tmp_path.glob('best_*.pth'):
                damage(path)
        return val()

    runner.val_loop.run = run
    runner.train()
    message = f'best checkpoint {tmp_path}/best_val_loss_iter_4.pth cannot be loaded: {reason}'
    assert re.search(message, capfd.readouterr().out)
    assert rate(tmp_path, 16) == pytest.approx(0.001)


def test_the_best_checkpoint_of_a_work_dir_that_was_moved_is_found(tmp_path):
    train(tmp_path / 'whole')
    train(tmp_path / 'before', train_cfg=dict(type='StreamTrainLoop', max_iters=7, val_interval=2))
    (tmp_path / 'before').rename(tmp_path / 'after')
    train(tmp_path / 'after', resume=True, load_from=str(tmp_path / 'after/iter_7.pth'))
    found, expected = (checkpoint(tmp_path / name, 'iter_16.pth') for name in ('after', 'whole'))
    assert_same(found['state_dict'], expected['state_dict'])


@pytest.mark.parametrize(
    'changes',
    [
        dict(param_scheduler=dict(type='ConstantLR', factor=1.0, by_epoch=False)),
        dict(default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', by_epoch=False, interval=1))),
        dict(param_scheduler=dict(type='ReduceOnPlateauLR', monitor='loss')),
        dict(param_scheduler=dict(type='ReduceOnPlateauLR', monitor='val_loss', rule='greater')),
    ],
)
def test_another_best_than_the_schedule_watches_is_an_error(changes, tmp_path):
    with pytest.raises(UserError, match='ReturnToBestHook needs a param_scheduler with a plateau'):
        train(tmp_path, **changes)


def test_a_bad_step_after_the_return_restores_the_statistics_of_the_best_checkpoint(tmp_path):
    runner = runner_in(tmp_path)
    layer = runner.model.layer
    # The first step after the fall has no finite gradient.
    layer.weight.register_hook(lambda grad: grad * float('nan') if runner.iter == 8 else grad)
    runner.train()
    best, after = (checkpoint(tmp_path, name)['state_dict'] for name in ('iter_4.pth', 'iter_9.pth'))
    floats = [key for key, value in best.items() if value.is_floating_point()]
    assert 'norm.running_mean' in floats
    assert_same({key: after[key] for key in floats}, {key: best[key] for key in floats})


def test_gradients_accumulated_before_the_fall_are_given_up(tmp_path):
    """A validation amid an accumulation: the step that follows it has the gradients of the best weights alone."""
    wrapper = dict(RUNTIME['optim_wrapper'], accumulative_counts=3)
    runner = runner_in(tmp_path, optim_wrapper=wrapper)
    gradients = {}
    # The gradients before each iteration.
    runner.model.norm.register_forward_pre_hook(
        lambda module, inputs: gradients.update({runner.iter: runner.model.layer.weight.grad})
    )
    runner.train()
    # Steps are taken after iterations 3, 6, 9, 12 and 15, and the rate falls after iterations 8 and 14.
    assert [iteration for iteration in (2, 5, 8, 11, 14) if gradients[iteration] is None] == [8, 14]


def test_a_checkpoint_hook_without_the_optimizer_is_an_error(tmp_path):
    checkpoint = dict(RUNTIME['default_hooks']['checkpoint'], save_optimizer=False)
    with pytest.raises(UserError, match='save_optimizer=True'):
        train(tmp_path, default_hooks=dict(RUNTIME['default_hooks'], checkpoint=checkpoint))


def test_an_evaluation_after_training_needs_no_best_checkpoint(tmp_path):
    runner = runner_in(tmp_path)
    runner.train()
    for path in tmp_path.glob('best_*.pth'):
        path.unlink()
    assert runner.val()['val_loss'] == 0.4
