"""Checks of options that are numbers and ranges, for the constructors that take them."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any


def is_range(value: Any, lowest: float, highest: float) -> bool:
    """Return whether a value is a pair (low, high) with lowest <= low <= high <= highest."""
    pair = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2
    return pair and _is_number(value[0]) and _is_number(value[1]) and lowest <= value[0] <= value[1] <= highest


def check_number(
    name: str, value: Any, lowest: float = 0, highest: float = math.inf, above: bool = False, whole: bool = False
) -> None:
    """Check that an option is a finite number in a range.

    Args:
        name: Name of the option.
        value: Its value.
        lowest: Lowest number.
        highest: Highest number.
        above: Whether the number must exceed ``lowest``.
        whole: Whether the number must be whole.

    Raises:
        ValueError: It is not; the message names option and range.
    """
    valid = _is_number(value) and lowest <= value <= highest
    if valid and not (above and value == lowest) and not (whole and value != int(value)):
        return
    kind = 'a whole number' if whole else 'a number'
    if lowest == -math.inf:
        wanted = f'of {highest} or less'
    elif highest == math.inf:
        wanted = f'above {lowest}' if above else f'of {lowest} or more'
    else:
        wanted = f'above {lowest} and up to {highest}' if above else f'from {lowest} to {highest}'
    raise ValueError(f'{name} must be {kind} {wanted}, got {value!r}')


def check_fractions(**options: Any) -> None:
    """Check that options are fractions or probabilities, from 0 to 1.

    Raises:
        ValueError: One is not.
    """
    for name, value in options.items():
        check_number(name, value, 0, 1)


def check_counts(lowest: int = 1, **options: Any) -> None:
    """Check that options are whole numbers of ``lowest`` or more.

    Raises:
        ValueError: One is not.
    """
    for name, value in options.items():
        check_number(name, value, lowest, whole=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)
