"""Check options that are ranges."""

from collections.abc import Sequence
from typing import Any


def is_range(value: Any, lowest: float, highest: float) -> bool:
    """Return whether a value is a pair (low, high) with lowest <= low <= high <= highest."""
    pair = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return pair and lowest <= value[0] <= value[1] <= highest
