"""Fields of a sample with one entry for each object, such as ``gt_bboxes`` and ``gt_bboxes_labels``."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes

FIELD_TYPES = (list, tuple, np.ndarray, torch.Tensor, BaseBoxes)


def _is_instance_field(name: str, values: object) -> bool:
    return name.startswith('gt_') and isinstance(values, FIELD_TYPES)


def keep_instances(results: dict[str, Any], keep: np.ndarray) -> None:
    """Remove objects from every field that has one entry for each of them, in place.

    Args:
        results: Sample of MMDetection's pipelines.
        keep: ``(N,)`` bool, which of the N objects stay.
    """
    for name, values in results.items():
        if not _is_instance_field(name, values) or len(values) != len(keep):
            continue
        if isinstance(values, (list, tuple)):
            results[name] = [value for value, kept in zip(values, keep) if kept]
        else:
            results[name] = values[keep]


def merge_instances(tiles: Sequence[tuple[dict[str, Any], tuple[int, int]]]) -> dict[str, Any]:
    """Concatenate the per-instance fields of tiles, with the boxes in pixels of the image that they make up.

    Args:
        tiles: Sample of each tile, and the (left, top) of the tile in the image.

    Returns:
        The merged fields by name, those that the first tile has.
    """
    fields: dict[str, Any] = {}
    for name, first in tiles[0][0].items():
        if not _is_instance_field(name, first):
            continue
        parts = [sample[name] for sample, _ in tiles]
        if name == 'gt_bboxes':
            shifts = [np.array(corner * 2, np.float32) for _, corner in tiles]
            if isinstance(first, HorizontalBoxes):
                fields[name] = HorizontalBoxes.cat(
                    [HorizontalBoxes(part.tensor + torch.from_numpy(shift)) for part, shift in zip(parts, shifts)]
                )
            else:
                fields[name] = np.concatenate([part + shift for part, shift in zip(parts, shifts)])
        else:
            fields[name] = list(chain.from_iterable(parts)) if isinstance(first, list) else np.concatenate(parts)
    return fields
