from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import LOOPS
from torch.utils.data import DataLoader

from ssd_plugin.datasets.samplers import StreamSampler
from ssd_plugin.errors import UserError
from tests.engine.tiny_runner import tiny_runner


class Numbers:
    """A dataset whose samples are their indices."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return int(index)


def loop_over(sampler=None, batch_size=2, **options):
    loader = DataLoader(Numbers(), batch_size=batch_size, sampler=sampler)
    return LOOPS.build(
        dict(type='StreamTrainLoop', **(options or dict(max_iters=5))),
        default_args=dict(runner=SimpleNamespace(), dataloader=loader),
    )


def test_another_sampler_is_an_error_that_names_it():
    with pytest.raises(TypeError, match='StreamSampler.*got SequentialSampler'):
        loop_over()


def test_restarted_data_are_those_of_the_iteration():
    loop = loop_over(StreamSampler(range(10), shuffle=False, seed=0))
    assert [next(loop.dataloader_iterator).tolist() for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]
    loop.restart_data(1)
    assert [next(loop.dataloader_iterator).tolist() for _ in range(2)] == [[2, 3], [4, 5]]
    # A round of the stream has 5 batches.
    loop.restart_data(7)
    assert torch.equal(next(loop.dataloader_iterator), torch.tensor([4, 5]))


@pytest.mark.parametrize('batch_size, length', [(1, 10), (3, 4), (4, 3), (10, 1), (16, 1)])
def test_epochs_are_as_many_iterations_as_the_batch_size_needs(batch_size, length):
    sampler = StreamSampler(range(10), seed=0)
    loop = loop_over(sampler, batch_size, max_epochs=7, val_begin=2, val_interval=3, dynamic_intervals=[(6, 1)])
    assert (loop.max_iters, loop.max_epochs) == (7 * length, 7)
    assert (loop.val_begin, loop.val_interval) == (length + 1, 3 * length)
    assert (loop.dynamic_milestones, loop.dynamic_intervals) == ([0, 6 * length], [3 * length, length])


@pytest.mark.parametrize('limit, expected', [(8, 8), (28, 28), (100, 28)])
def test_training_ends_at_the_first_limit(limit, expected):
    assert loop_over(StreamSampler(range(10), seed=0), 3, max_epochs=7, max_iters=limit).max_iters == expected


def test_a_loop_without_an_end_is_an_error():
    with pytest.raises(UserError, match='max_iters or max_epochs'):
        loop_over(StreamSampler(range(10), seed=0), val_interval=1)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize(
    'loop, iterations',
    [
        (dict(type='EpochBasedTrainLoop', max_epochs=3), 15),
        (dict(by_epoch=True, max_epochs=3), 15),
        # The workers fetch more than an epoch in advance.
        (dict(type='StreamTrainLoop', max_iters=23), 23),
    ],
)
def test_training_ends_with_any_loop(loop, iterations, workers, tmp_path, capfd):
    loader = dict(
        dataset=dict(type='TinyPoints'),
        batch_size=2,
        num_workers=workers,
        sampler=dict(type='StreamSampler'),
        collate_fn=dict(type='pseudo_collate'),
    )
    runner = tiny_runner(tmp_path, train_dataloader=loader, train_cfg=loop, randomness=dict(seed=0))
    runner.train()
    assert runner.iter == iterations
    assert 'Reach the end of the dataloader' not in capfd.readouterr().out


def test_an_epoch_of_a_rank_has_its_fraction_of_the_images(monkeypatch):
    monkeypatch.setattr('ssd_plugin.datasets.samplers.get_dist_info', lambda: (1, 4))
    assert len(StreamSampler(range(10))) == 3


@pytest.mark.parametrize('in_epochs', [True, False])
def test_another_batch_size_cannot_continue_a_training_in_epochs(in_epochs):
    loop = loop_over(StreamSampler(range(10), seed=0), **(dict(max_epochs=3) if in_epochs else dict(max_iters=9)))
    loop._iter = 4
    saved = dict(position=4, batch_size=1, ranks=1)
    if in_epochs:
        with pytest.raises(UserError, match=r'cannot resume with batch_size 1 before, 2 now; give the batch size'):
            loop._enter_stream(saved)
    else:
        loop._enter_stream(saved)
    loop._enter_stream(dict(saved, batch_size=2))
