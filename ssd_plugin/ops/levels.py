"""Conversion of per-level network outputs to one row per prior, in the order of the priors.

The order is: levels, then rows, then columns, then the priors of a cell.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def flatten_levels(maps: Sequence[Tensor], values: int) -> Tensor:
    """Return the outputs of all levels as ``(B, P, values)``.

    Args:
        maps: Per level, ``(B, A * values, H, W)`` with A priors in a cell.
        values: Number of outputs per prior.
    """
    return torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, values) for m in maps], dim=1)


def at_least_float32(values: Tensor) -> Tensor:
    """Return half-precision values as float32, and wider ones unchanged.

    Half precision, which AMP produces, is too coarse for confidences, boxes and sums.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))
