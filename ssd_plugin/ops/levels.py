"""From the maps that the network gives to values per prior, in the order of the priors: levels, rows, columns, priors of a cell."""

from collections.abc import Sequence

import torch
from torch import Tensor


def flatten_levels(maps: Sequence[Tensor], values: int) -> Tensor:
    """Outputs of all levels, ``(B, A * values, H, W)`` each, A the priors of a cell, to ``(B, P, values)``."""
    return torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, values) for m in maps], dim=1)


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision, as AMP leaves it, is too coarse for confidences, boxes and sums."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
