"""Priors (default boxes): SSD paper, section 2.2, "Choosing scales and aspect ratios for default boxes".

A level's *shapes* are the widths and heights of the priors of one cell; the *grid* repeats them at the centre of every
cell.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .boxes import centers_to_corners, corners_to_centers


def interpolate_scales(
    num_levels: int, scale_range: tuple[float, float], first_scale: float | None = None
) -> list[float]:
    """s_k = s_min + (s_max - s_min)(k - 1)/(m - 1), the paper's equation 4.

    Args:
        num_levels: number of feature maps.
        scale_range: (s_min, s_max), as shares of the image's side.
        first_scale: the first level's own scale, outside the interpolation (the paper's conv4_3: 0.1 for VOC); the
            others then interpolate over ``num_levels - 1`` maps.
    """
    own = [] if first_scale is None else [first_scale]
    m = num_levels - len(own)
    if m < 1:
        raise ValueError(f'{num_levels} level(s) leave none to interpolate scale_range={scale_range} over')
    low, high = scale_range
    return own + [low + (high - low) * k / max(m - 1, 1) for k in range(m)]


def cell_shapes(
    scale: float, extra_scale: float | None, aspect_ratios: Sequence[float], flip: bool = True
) -> list[tuple[float, float]]:
    """Widths and heights of the priors of one cell, in the unit of ``scale``.

    w = s sqrt(a), h = s / sqrt(a); the extra square prior has the given scale, sqrt(s_k s_{k+1}).

    Args:
        scale: s_k.
        extra_scale: of the extra square prior; ``None`` for none.
        aspect_ratios: the ratios a.
        flip: give 1/a for each a too.

    Returns:
        In the order of the original release: the square, the extra square, then for each aspect ratio a its prior and,
        with ``flip``, the one of 1/a.
    """
    shapes = [(scale, scale)]
    if extra_scale is not None:
        shapes.append((extra_scale, extra_scale))
    for ratio in aspect_ratios:
        root = math.sqrt(ratio)
        shapes.append((scale * root, scale / root))
        if flip:
            shapes.append((scale / root, scale * root))
    return shapes


def order_indices(order: str | Sequence[int], num_shapes: int, has_extra: bool) -> list[int]:
    """Where each prior of a cell comes from, for weights that were trained with another order than the original release's.

    Args:
        order: ``'ssd'`` keeps the order of :func:`cell_shapes`; ``'extra_last'`` moves the extra square prior to the
            end; ``'tall_first'`` swaps each pair to (1/a, a); or the indices themselves.
        num_shapes: number of priors of the cell.
        has_extra: whether the second one is the extra square prior.
    """
    head = 1 + has_extra
    if order == 'ssd':
        return list(range(num_shapes))
    if order == 'extra_last':
        return [0, *range(head, num_shapes), *range(1, head)]
    if order == 'tall_first':
        return [*range(head), *(i + 1 - 2 * ((i - head) % 2) for i in range(head, num_shapes))]
    indices = list(order) if not isinstance(order, str) else []
    if sorted(indices) != list(range(num_shapes)):
        raise ValueError(
            f"order must be 'ssd', 'extra_last', 'tall_first' or a permutation of 0..{num_shapes - 1}, got {order!r}"
        )
    return indices


def grid_of_priors(
    shapes: Tensor,
    featmap_size: tuple[int, int],
    step: tuple[float, float],
    clip_size: tuple[float, float] | None = None,
    clip: str | None = None,
) -> Tensor:
    """Priors of one level at the centre of every cell.

    Args:
        shapes: ``(A, 2)`` widths and heights in pixels.
        featmap_size: (height, width) of the feature map in cells.
        step: (x, y) pixels from one cell to the next: image side / cells for ((i + .5)/f), or the original release's
            step for (i + .5) * step.
        clip_size: (width, height) of the image in pixels, needed with ``clip``.
        clip: ``'corners'`` cuts priors at the border as the original release can; ``'centers'`` limits centre and size
            to the image; ``'sizes'`` limits the size alone, as torchvision does; ``None`` leaves them.

    Returns:
        ``(H * W * A, 4)`` corner form in pixels, in the order rows, columns, priors of the cell.
    """
    height, width = featmap_size
    x = (torch.arange(width, dtype=shapes.dtype, device=shapes.device) + 0.5) * step[0]
    y = (torch.arange(height, dtype=shapes.dtype, device=shapes.device) + 0.5) * step[1]
    centers = torch.stack(torch.meshgrid(y, x, indexing='ij')[::-1], dim=-1)  # (H, W, 2)
    num = len(shapes)
    centers = centers[:, :, None].expand(-1, -1, num, -1)  # (H, W, A, 2)
    priors = centers_to_corners(torch.cat([centers, shapes.expand(height, width, -1, -1)], dim=-1)).reshape(-1, 4)
    if clip is None:
        return priors
    limits = torch.tensor([*clip_size, *clip_size], dtype=shapes.dtype, device=shapes.device)
    if clip in ('centers', 'sizes'):
        if clip == 'sizes':
            limits[:2] = torch.inf
        return centers_to_corners(torch.minimum(corners_to_centers(priors).clamp(min=0), limits))
    return torch.minimum(priors.clamp(min=0), limits)
