"""Times of several functions that do the same, taken in turn."""

import gc
import time
from collections.abc import Callable
from statistics import mean, quantiles
from typing import NamedTuple

import torch
from tqdm import tqdm


class Timing(NamedTuple):
    """Milliseconds of one call."""

    median: float
    low: float  # first quartile
    high: float  # third quartile
    mean: float


def compare(
    functions: dict[str, Callable[[], object]], rounds: int, device: torch.device, title: str
) -> dict[str, Timing]:
    """Each round calls every function once, the one that starts changing from round to round, so that whatever slows the machine
    down slows all of them.

    Args:
        functions: by name.
        rounds: number of calls of each that count; two more come first.
        device: that they run on; it is waited for.
        title: of the progress bar.

    Returns:
        By name, as given.
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
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _summary(values: list[float]) -> Timing:
    low, median, high = quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3
    return Timing(median, low, high, mean(values))
