"""Peak memory of a function call."""

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile


def peak_memory(function: Callable[[], object], device: torch.device) -> float:
    """Return the peak memory of the tensors that a call allocates, in MiB.

    Args:
        function: Function to call. It is called twice, the first time to warm up.
        device: Device that it runs on.
    """
    function()
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    recorded = profiler.profiler
    assert recorded is not None and recorded.kineto_results is not None  # set when the block above ends
    # PyTorch's type stub of these events lacks nbytes.
    events: list[Any] = [event for event in recorded.kineto_results.events() if event.name() == '[memory]']
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak / 2**20
