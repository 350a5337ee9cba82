"""The interface through which the augmentation draws random numbers."""

from typing import Protocol, overload

import numpy as np


class RandomSource(Protocol):
    """NumPy's global generator, which is the module ``numpy.random`` itself, or a ``numpy.random.RandomState``."""

    @overload
    def random_sample(self) -> float: ...

    @overload
    def random_sample(self, size: int | tuple[int, ...]) -> np.ndarray: ...

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
