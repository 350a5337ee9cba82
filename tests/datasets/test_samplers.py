import pickle
from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader

from ssd_plugin.datasets.samplers import Draw, SeededDataset, StreamSampler, mixed_seed


def sampler_of(size, rank=0, ranks=1, position=0, **options):
    sampler = StreamSampler(range(size), **{**dict(seed=3, endless=True), **options})
    sampler.rank, sampler.world_size, sampler.position = rank, ranks, position
    return sampler


def draws(sampler, number):
    return [(int(draw), draw.seed) for draw in islice(sampler, number)]


@given(size=st.integers(1, 20), start=st.integers(0, 50))
def test_the_stream_is_the_same_from_anywhere(size, start):
    assert draws(sampler_of(size, position=start), 30) == draws(sampler_of(size), start + 30)[start:]


@given(size=st.integers(1, 20), ranks=st.integers(1, 5))
def test_ranks_share_the_stream(size, ranks):
    parts = [draws(sampler_of(size, rank, ranks), 8) for rank in range(ranks)]
    assert [draw for step in zip(*parts) for draw in step] == draws(sampler_of(size), 8 * ranks)


def test_every_image_comes_once_before_any_comes_again_and_the_order_changes():
    found = [index for index, _ in draws(sampler_of(7), 21)]
    rounds = [found[i : i + 7] for i in (0, 7, 14)]
    assert all(sorted(part) == list(range(7)) for part in rounds) and len({tuple(part) for part in rounds}) == 3
    assert [index for index, _ in draws(sampler_of(7, shuffle=False), 9)] == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert draws(sampler_of(7, seed=4), 21) != draws(sampler_of(7), 21)


@given(size=st.integers(1, 20), ranks=st.integers(1, 5), epoch=st.integers(0, 4))
def test_epochs_of_all_ranks_are_consecutive_parts_of_the_stream(size, ranks, epoch):
    parts = []
    for rank in range(ranks):
        sampler = sampler_of(size, rank, ranks, endless=False)
        sampler.set_epoch(epoch)
        parts.append([(int(draw), draw.seed) for draw in sampler])
    drawn = [draw for step in zip(*parts) for draw in step]
    assert {len(part) for part in parts} == {len(sampler)} and size <= len(drawn) < size + ranks
    begin = epoch * len(drawn)
    assert drawn == draws(sampler_of(size), begin + len(drawn))[begin:]


def test_every_draw_has_its_own_seed():
    assert max(Counter(seed for _, seed in draws(sampler_of(5), 2000)).values()) == 1
    assert len({mixed_seed(a, b) for a in range(30) for b in range(30)}) == 900


class Noise:
    """A dataset of random numbers from all three generators."""

    metainfo = {'classes': ('a',)}  # noqa: RUF012 - as MMDetection's datasets have it

    def __len__(self):
        return 6

    def __getitem__(self, index):
        import random

        return torch.tensor(
            [index, random.random(), np.random.random_sample(), torch.rand(()).item()], dtype=torch.float64
        )


@pytest.mark.parametrize('workers', [0, 1, 3])
def test_samples_do_not_depend_on_the_number_of_workers(workers):
    expected = torch.stack([SeededDataset(Noise())[draw] for draw in islice(sampler_of(6), 12)])
    loader = DataLoader(SeededDataset(Noise()), batch_size=2, sampler=sampler_of(6), num_workers=workers)
    assert torch.equal(torch.cat(list(islice(loader, 6))), expected)
    # The same image is another sample the next time.
    assert len({tuple(row) for row in expected.tolist()}) == 12


def test_a_draw_is_an_index_that_keeps_its_seed_when_pickled():
    draw = pickle.loads(pickle.dumps(Draw(4, 99)))
    assert draw == 4 and draw.seed == 99 and list(range(9))[draw] == 4


def test_a_seeded_dataset_passes_attributes_on():
    dataset = SeededDataset(Noise())
    assert dataset.metainfo == Noise.metainfo and len(dataset) == 6 and not hasattr(dataset, 'pipeline')
    assert pickle.loads(pickle.dumps(dataset))[2][0] == 2
    assert DATA_SAMPLERS.get('StreamSampler') is StreamSampler
