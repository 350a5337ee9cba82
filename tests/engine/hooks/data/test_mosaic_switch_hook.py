import logging
from types import SimpleNamespace

import pytest
from mmdet.registry import DATASETS, HOOKS

from ssd_plugin.datasets.samplers import SeededDataset
from ssd_plugin.engine.loops import StreamTrainLoop


class RecordedLoop(StreamTrainLoop):
    """A training loop without data that records its restarts."""

    def __init__(self):
        self.restarts = []

    def restart_data(self, iteration):
        self.restarts.append(iteration)


def mixed_config(shapes):
    """Config of a dataset that makes mosaics of the drawn images."""
    loading = [dict(type='LoadEncodedImage'), dict(type='LoadAnnotations', with_bbox=True)]
    augment = dict(type='FusedSSDAugment', scale=(64, 48))
    return dict(
        type='MultiImageMixDataset',
        dataset=dict(
            type='VOCDataset',
            data_root=str(shapes),
            ann_file='ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root=''),
            pipeline=loading,
        ),
        pipeline=[dict(type='MosaicSSDAugment', augment=augment), dict(type='PackDetInputs')],
    )


@pytest.mark.parametrize('repeated', [False, True])
def test_mosaics_end_with_the_last_fraction_of_the_iterations_also_after_a_resume(repeated, shapes, caplog):
    hook = HOOKS.build(dict(type='MosaicSwitchHook', share=0.25))
    config, loop = mixed_config(shapes), RecordedLoop()
    built = DATASETS.build(dict(type='RepeatDataset', dataset=config, times=2) if repeated else config)
    active = (built.dataset if repeated else built).pipeline[0].active
    # As StreamTrainLoop wraps it.
    dataset = SeededDataset(built)
    runner = SimpleNamespace(
        iter=0,
        max_iters=8,
        train_dataloader=SimpleNamespace(dataset=dataset),
        logger=logging.getLogger('hook'),
        train_loop=loop,
    )
    runner.logger.propagate = True
    with caplog.at_level(logging.INFO, 'hook'):
        hook.before_train(runner)
        for runner.iter in range(8):
            assert bool(active) == (runner.iter < 6)
            hook.after_train_iter(runner, runner.iter)
    assert caplog.text.count('No more mosaics from iteration 7 on') == 1 and loop.restarts == [6]
    active.fill_(True)
    HOOKS.build(dict(type='MosaicSwitchHook', share=0.25)).before_train(runner)
    assert not active and loop.restarts == [6]


def test_data_without_mosaics_has_none_to_end():
    runner = SimpleNamespace(
        iter=9, max_iters=10, train_dataloader=SimpleNamespace(dataset=SimpleNamespace(pipeline=[]))
    )
    HOOKS.build(dict(type='MosaicSwitchHook')).after_train_iter(runner, 9)
