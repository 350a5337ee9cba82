"""Timing of several functions that do the same work, called in turn."""

import gc
import time
from collections.abc import Callable
from statistics import mean, quantiles
from typing import NamedTuple

import torch
from tqdm import tqdm


class Timing(NamedTuple):
    """Time of one call, in milliseconds.

    Attributes:
        median: Median over the rounds.
        low: First quartile.
        high: Third quartile.
        mean: Mean over the rounds.
    """

    median: float
    low: float
    high: float
    mean: float


def compare(
    functions: dict[str, Callable[[], object]], rounds: int, device: torch.device, title: str
) -> dict[str, Timing]:
    """Measure functions in rounds that call each of them once.

    Each round starts with another function, so that whatever slows the machine down affects all of them alike.

    Args:
        functions: Functions by name.
        rounds: Number of measured calls of each, after two calls that warm up.
        device: Device that they run on, which is synchronized before and after each call.
        title: Title of the progress bar.

    Returns:
        Times by name, in the order of ``functions``.
    """
    names = list(functions)
    times: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        for number in tqdm(range(-2, rounds), desc=title, leave=False, disable=None):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                _wait(device)
                start = time.perf_counter()
                functions[name]()
                _wait(device)
                if number >= 0:
                    times[name].append(1000 * (time.perf_counter() - start))
    finally:
        gc.enable()
    return {name: _summary(values) for name, values in times.items()}


def _wait(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _summary(values: list[float]) -> Timing:
    """Return the statistics of the times of a function."""
    low, median, high = quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3
    return Timing(median, low, high, mean(values))
