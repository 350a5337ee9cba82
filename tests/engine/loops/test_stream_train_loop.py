from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import LOOPS
from torch.utils.data import DataLoader

from ssd_plugin.datasets.samplers import StreamSampler


class Numbers:
    """A dataset whose samples are their indices."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return int(index)


def loop_over(sampler=None, **options):
    loader = DataLoader(Numbers(), batch_size=2, sampler=sampler)
    return LOOPS.build(
        dict(type='StreamTrainLoop', max_iters=5, **options),
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
