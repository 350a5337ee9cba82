"""A reproducible stream of training samples.

The position of a draw in the stream determines its image and its random seed. The sample therefore depends neither on
the worker that makes it, nor on the number of workers, nor on earlier draws: training can resume anywhere in the
stream.
"""

import math
import random
from collections.abc import Iterator, Sequence, Sized
from functools import cached_property
from itertools import count
from typing import Any, Protocol

import numpy as np
import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.dist import get_dist_info
from torch.utils.data import Dataset, Sampler

from .draw_frequencies import draw_frequencies, systematic_draw


class Draw(int):
    """An image index drawn by a sampler, with the random seed for making the sample."""

    seed: int

    def __new__(cls, index: int, seed: int) -> 'Draw':
        """Return an integer equal to the index, with the seed as an attribute."""
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __reduce__(self) -> tuple[type['Draw'], tuple[int, int]]:
        return Draw, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class StreamSampler(Sampler[Draw]):
    """Draw images, each once per round, from any position of an endless stream.

    :class:`StreamTrainLoop` draws without an end, like with MMEngine's ``InfiniteSampler``. In other loops, an epoch is
    a part of the stream with as many draws as there are images.

    With ``oversample_thr`` or ``empty_fraction``, a round still has as many draws as there are images, but draws some
    of them several times and others not: each as often as its frequency says, rounded down or up at random.

    Args:
        dataset: Dataset to draw from.
        shuffle: Whether each round has its own random order; otherwise the order is that of the dataset.
        seed: Seed of orders and draws, the same in all ranks.
        endless: Whether to draw without an end.
        oversample_thr: Draw images with rare classes more often, those in a fraction f of the images below this one, by
            the factor sqrt(oversample_thr / f): the repeat-factor sampling of LVIS (arXiv 1908.03195, appendix B). With
            1, every class is repeated by 1 / sqrt(f). ``None`` draws all images equally often.
        empty_fraction: Fraction of the draws that show an image without objects; ``None`` for as many as there are.
            :class:`StreamTrainLoop` keeps them in the dataset in spite of ``filter_empty_gt``.

    Raises:
        ValueError: An option is out of its range.

    Attributes:
        position: Position in the stream at which the next iteration starts, counted over all ranks.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        endless: bool = False,
        oversample_thr: float | None = None,
        empty_fraction: float | None = None,
    ) -> None:
        if oversample_thr is not None and not 0 < oversample_thr <= 1:
            raise ValueError(f'oversample_thr must be a fraction above 0 and up to 1, got {oversample_thr!r}')
        if empty_fraction is not None and not 0 <= empty_fraction < 1:
            raise ValueError(f'empty_fraction must be a fraction of 0 or more and below 1, got {empty_fraction!r}')
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = seed or 0
        self.endless = endless
        self.oversample_thr = oversample_thr
        self.empty_fraction = empty_fraction
        self.position = 0
        self._dataset = dataset

    def __iter__(self) -> Iterator[Draw]:
        position, current_round = self.position + self.rank, -1
        order: Sequence[int] | np.ndarray = range(self.size)
        for _ in count() if self.endless else range(len(self)):
            if position // self.size != current_round:
                current_round = position // self.size
                order = self._order(current_round)
            yield Draw(int(order[position % self.size]), mixed_seed(self.seed, 1, position))
            position += self.world_size

    def _order(self, number: int) -> Sequence[int] | np.ndarray:
        """Return the images of a round, which depend on nothing but its number."""
        if not self.shuffle and self._frequencies is None:
            return range(self.size)
        generator = np.random.Generator(np.random.PCG64(mixed_seed(self.seed, 0, number)))
        if self._frequencies is None:
            return generator.permutation(self.size)
        drawn = systematic_draw(self._frequencies, generator)
        return generator.permutation(drawn) if self.shuffle else drawn

    @cached_property
    def _frequencies(self) -> np.ndarray | None:
        """How often a round draws each image on average; ``None`` for once."""
        if self.oversample_thr is None and self.empty_fraction is None:
            return None
        return draw_frequencies(self._dataset, self.oversample_thr, self.empty_fraction)

    def __len__(self) -> int:
        """Return the number of images that a rank draws in an epoch."""
        return math.ceil(self.size / self.world_size)

    def set_epoch(self, epoch: int) -> None:
        """Move to the begin of an epoch; MMEngine calls this method before each. A loop without epochs has its own."""
        if not self.endless:
            self.position = epoch * len(self) * self.world_size


class SizedDataset(Protocol):
    """A dataset with samples by index."""

    def __getitem__(self, index: int) -> Any: ...

    def __len__(self) -> int: ...


class SeededDataset(Dataset[Any]):
    """A dataset that makes the sample of each :class:`Draw` under the draw's own seed.

    Args:
        dataset: Dataset whose samples are made.
    """

    def __init__(self, dataset: SizedDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> Any:
        if isinstance(index, Draw):
            seed_all(index.seed)
        return self.dataset[int(index)]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        # MMEngine's hooks and samplers read metainfo and other attributes of the dataset. The exceptions are what
        # pickle and copy look up on an object that has no attributes yet.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> 'SeededDataset':
        # MMEngine copies the config that it builds a loader from; annotations in shared memory must not be copied.
        return self


def mixed_seed(*numbers: int) -> int:
    """Return a 32-bit seed derived from several numbers, such that neighboring numbers give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
