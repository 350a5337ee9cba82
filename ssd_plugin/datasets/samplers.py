"""Training data as one stream of draws, each of which is the same whoever makes it and when.

A draw has a position in the stream, and by it an image and a random seed of its own. So what a draw becomes does not depend on the worker
that makes it, on how many workers there are, or on what was drawn before: training can go on anywhere in the stream.
"""

import random
from collections.abc import Iterator, Sized

import numpy as np
import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Dataset, Sampler


class Draw(int):
    """The index of an image, and the random seed of this draw of it."""

    seed: int

    def __new__(cls, index: int, seed: int):
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __reduce__(self):
        return Draw, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class StreamSampler(Sampler):
    """Endless draws, every image once before any comes again, like MMEngine's ``InfiniteSampler``; but it can begin anywhere.

    Args:
        dataset: what is drawn from.
        shuffle: a new order each time round, or always that of the data set.
        seed: of order and draws, the same in all ranks.

    Attributes:
        position: where the next iteration begins, counted over all ranks.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None):
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = seed or 0
        self.position = 0

    def __iter__(self) -> Iterator[Draw]:
        position, rounds, order = self.position + self.rank, None, range(self.size)
        while True:
            if self.shuffle and position // self.size != rounds:
                rounds = position // self.size
                order = np.random.Generator(np.random.PCG64(mixed_seed(self.seed, 0, rounds))).permutation(self.size)
            yield Draw(int(order[position % self.size]), mixed_seed(self.seed, 1, position))
            position += self.world_size

    def __len__(self) -> int:
        """Number of images."""
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """Nothing: the order is new each time round by itself."""


class SeededDataset(Dataset):
    """A data set in which a :class:`Draw` is made with its own random seed, of Python, NumPy and PyTorch."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __getitem__(self, index: int):
        if isinstance(index, Draw):
            seed_all(index.seed)
        return self.dataset[int(index)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str):
        # What hooks and samplers ask of the data set itself; not what pickle asks of an object half made.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __deepcopy__(self, memo) -> 'SeededDataset':
        # MMEngine copies what it builds a loader from; annotations in shared memory are to stay there.
        return self


def mixed_seed(*numbers: int) -> int:
    """A seed of 32 bits from several numbers: far apart for neighbours."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_all(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
