import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from ssd_plugin.cli import schedule
from ssd_plugin.cli.schedule import scale_schedule
from ssd_plugin.errors import UserError
from tests.support import WHOLE_CONFIGS, config, run_tool_in

LENGTH = 40


@pytest.fixture(autouse=True)
def epoch_length(monkeypatch, request):
    """An epoch of 40 iterations; a dataset is built in tests of that alone."""
    if 'shapes' not in request.fixturenames:
        monkeypatch.setattr(schedule, '_epoch_length', lambda cfg: LENGTH)


def rates(cfg, length=LENGTH):
    """The learning rate of each iteration that MMEngine's schedulers give."""
    layer = torch.nn.Linear(1, 1)
    wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.0))
    total = cfg.train_cfg.max_iters
    steps = [
        PARAM_SCHEDULERS.build(
            dict(options, end=options.get('end', total)), default_args=dict(optimizer=wrapper, epoch_length=length)
        )
        for options in cfg.param_scheduler
    ]
    found = []
    for _ in range(total):
        found.append(wrapper.param_groups[0]['lr'])
        wrapper.optimizer.step()
        for step in steps:
            step.step()
    return found


def test_the_recipe_of_voc_is_scaled_with_milestones_warm_up_and_intervals():
    cfg = config('ssd300_voc.py')
    line = scale_schedule(cfg, max_iters=1200)
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (1200, 100)
    assert cfg.default_hooks.checkpoint.interval == 50
    warm_up, steps = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, 5) and steps.milestones == [800, 1000]
    assert line == (
        'the training has 1200 iterations instead of 120000 (x0.01); scaled with it: train_cfg.val_interval 10000 -> '
        '100, default_hooks.checkpoint.interval 5000 -> 50, param_scheduler.0.end 500 -> 5, '
        'param_scheduler.1.milestones [80000, 100000] -> [800, 1000]'
    )


def test_epochs_become_iterations_with_a_schedule_in_epochs():
    cfg = config('recipes/ssd300_scratch_voc.py')
    line = scale_schedule(cfg, epochs=5)
    assert cfg.train_cfg == dict(type='StreamTrainLoop', max_iters=5 * LENGTH, val_interval=LENGTH // 2)
    (steps,) = cfg.param_scheduler
    assert steps.milestones == [80, 100, 120, 140, 160, 180] and steps.by_epoch is False
    assert 'convert_to_iter_based' not in steps
    assert line.startswith('the training has 200 iterations instead of 4000 (x0.05); scaled with it: ')


def test_a_schedule_in_epochs_can_be_scaled_to_iterations():
    cfg = config('recipes/ssd300_tutorial_voc.py')
    scale_schedule(cfg, max_iters=232)
    assert cfg.train_cfg == dict(type='StreamTrainLoop', max_iters=232, val_interval=1)
    assert cfg.param_scheduler[0].milestones == [154, 193]


def test_the_length_itself_gives_the_same_rates():
    cfg, same = config('recipes/ssd300_scratch_voc.py'), config('recipes/ssd300_scratch_voc.py')
    scale_schedule(same, epochs=100)
    cfg.train_cfg = dict(max_iters=100 * LENGTH)
    assert rates(same) == rates(cfg)


@pytest.mark.parametrize('iterations', [2, 7, 50, 500, 2500])
def test_scaled_rates_are_those_of_the_same_fraction_of_the_training(iterations):
    cfg, short = config('demo/ssd_depthwise_shapes.py'), config('demo/ssd_depthwise_shapes.py')
    scale_schedule(short, max_iters=iterations)
    whole, scaled = rates(cfg), rates(short)
    assert len(scaled) == iterations
    # Past the warm-up, whose length is rounded.
    for index in range(math.ceil(0.15 * iterations), iterations):
        assert scaled[index] == pytest.approx(whole[int(index * len(whole) / iterations)], abs=0.04 + 1 / iterations)


def test_a_warm_up_of_less_than_two_steps_is_removed_since_it_would_never_end():
    cfg = config('ssd300_voc.py')
    assert 'param_scheduler.0 removed' in scale_schedule(cfg, max_iters=50)
    assert len(cfg.param_scheduler) == 1 and rates(cfg)[:3] == [1.0] * 3


def test_the_memory_of_an_ema_is_scaled():
    cfg = config('ssd300_cluster_voc.py')
    old = next(hook for hook in cfg.custom_hooks if hook.type == 'EMAHook').momentum
    scale_schedule(cfg, max_iters=cfg.train_cfg.max_iters // 10)
    assert next(hook for hook in cfg.custom_hooks if hook.type == 'EMAHook').momentum == pytest.approx(10 * old)
    scale_schedule(cfg, max_iters=1)
    assert next(hook for hook in cfg.custom_hooks if hook.type == 'EMAHook').momentum == 0.5


@pytest.mark.parametrize('place', ['default_hooks', 'custom_hooks'])
def test_the_time_of_a_frozen_backbone_is_scaled(place):
    cfg, hook = config('ssd300_voc.py'), dict(type='FreezeBackboneHook', iterations=500)
    cfg[place] = dict(cfg[place], freeze_backbone=hook) if place == 'default_hooks' else [*cfg[place], hook]
    text = scale_schedule(cfg, max_iters=cfg.train_cfg.max_iters // 10)
    found = cfg[place].freeze_backbone if place == 'default_hooks' else cfg[place][-1]
    assert found.iterations == 50 and '.iterations 500 -> 50' in text


def test_a_loop_of_epochs_stays_one():
    cfg = Config(
        dict(
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=2),
            param_scheduler=[
                dict(type='LinearLR', by_epoch=False, begin=0, end=500),
                dict(type='MultiStepLR', by_epoch=True, begin=0, end=12, milestones=[8, 11]),
            ],
            default_hooks=dict(checkpoint=dict(interval=1)),
        )
    )
    with pytest.raises(UserError, match='--epochs'):
        scale_schedule(cfg, max_iters=10)
    scale_schedule(cfg, epochs=36)
    assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=36, val_interval=6)
    warm_up, steps = cfg.param_scheduler
    assert warm_up.end == 1500 and steps.end == 36 and steps.milestones == [24, 33]
    assert cfg.default_hooks.checkpoint.interval == 3


def test_intervals_that_change_and_the_first_validation_are_scaled():
    unscaled = dict(type='StreamTrainLoop', max_iters=1200000, val_begin=0)
    assert '10 iterations instead of 1200000 (' in scale_schedule(Config(dict(train_cfg=unscaled)), max_iters=10)
    loop = dict(type='StreamTrainLoop', max_epochs=10, val_begin=6, val_interval=2, dynamic_intervals=[(8, 1)])
    cfg = Config(dict(train_cfg=loop))
    scale_schedule(cfg, max_iters=100)
    assert cfg.train_cfg == dict(
        type='StreamTrainLoop', max_iters=100, val_begin=50, val_interval=20, dynamic_intervals=[(80, 10)]
    )


@pytest.mark.parametrize(
    'changes, key',
    [
        ({'train_cfg.max_iters': 'many'}, 'train_cfg.max_iters'),
        ({'train_cfg.max_iters': -5}, 'train_cfg.max_iters'),
        ({'train_cfg.val_interval': None, 'train_cfg.dynamic_intervals': 3}, 'train_cfg.dynamic_intervals'),
        ({'param_scheduler.0.end': [1]}, 'param_scheduler.0.end'),
        ({'param_scheduler.1.milestones': ['a']}, 'param_scheduler.1.milestones'),
    ],
)
def test_what_is_no_number_is_an_error_that_names_the_key(changes, key):
    cfg = config('ssd300_voc.py')
    cfg.merge_from_dict(changes)
    with pytest.raises(UserError, match=key):
        scale_schedule(cfg, max_iters=10)


@pytest.mark.parametrize('name', WHOLE_CONFIGS)
@settings(max_examples=5, deadline=None)
@given(iterations=st.integers(1, 10**6))
def test_every_config_can_be_scaled_to_any_length(name, iterations):
    cfg = config(name)
    scale_schedule(cfg, max_iters=iterations)
    assert cfg.train_cfg.max_iters == iterations and cfg.train_cfg.val_interval >= 1
    for scheduler in cfg.param_scheduler or []:
        assert scheduler.get('end', math.inf) > scheduler.get('begin', 0)


def test_an_epoch_has_as_many_iterations_as_the_loader(shapes):
    cfg = config('demo/ssd_depthwise_shapes.py')
    cfg.merge_from_dict({'train_dataloader.dataset.data_root': f'{shapes}/', 'train_dataloader.batch_size': 5})
    scale_schedule(cfg, epochs=4)
    # 12 images.
    assert cfg.train_cfg.max_iters == 4 * 3


@pytest.mark.parametrize('option', [('--max-iters', '6'), ('--epochs', '2')])
def test_the_tool_trains_for_the_length_given_and_says_what_it_has_scaled(option, shapes, tmp_path):
    few = ('train_dataloader.batch_size=4', 'train_dataloader.num_workers=0', 'val_dataloader.num_workers=0')
    result = run_tool_in(
        tmp_path,
        'train.py',
        'ssd_plugin::demo/ssd_depthwise_shapes.py',
        *option,
        '--cfg-options',
        f'data_root={shapes}',
        *few,
        'train_dataloader.persistent_workers=False',
        'val_dataloader.persistent_workers=False',
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert 'the training has 6 iterations instead of 1000' in result.stdout
    assert {path.name for path in tmp_path.glob('work_dirs/*/iter_*.pth')} == {'iter_3.pth', 'iter_6.pth'}
