"""Priors (default boxes): SSD paper, section 2.2, "Choosing scales and aspect ratios for default boxes".

The *shapes* of a level are the widths and heights of the priors of one cell; its *grid* repeats them at the center of
every cell.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


def interpolate_scales(
    num_levels: int, scale_range: tuple[float, float], first_scale: float | None = None
) -> list[float]:
    """Return the scale of each level: s_k = s_min + (s_max - s_min)(k - 1)/(m - 1), equation 4 of the paper.

    Args:
        num_levels: Number of feature maps.
        scale_range: (s_min, s_max), as fractions of the side of the image.
        first_scale: Scale of the first level, which is then excluded from the interpolation (conv4_3 in the paper: 0.1
            for VOC), so that m is ``num_levels - 1``. ``None`` interpolates over all levels.

    Raises:
        ValueError: No level is left to interpolate over.
    """
    own = [] if first_scale is None else [first_scale]
    m = num_levels - len(own)
    if m < 1:
        raise ValueError(
            f'scale_range={scale_range} needs at least {len(own) + 1} level(s) to interpolate over, got {num_levels}'
        )
    low, high = scale_range
    return own + [low + (high - low) * k / max(m - 1, 1) for k in range(m)]


def cell_shapes(
    scale: float, extra_scale: float | None, aspect_ratios: Sequence[float], flip: bool = True
) -> list[tuple[float, float]]:
    """Return the widths and heights of the priors of one cell, in the unit of ``scale``.

    w = s sqrt(a), h = s / sqrt(a); the extra square prior has the scale sqrt(s_k s_{k+1}).

    Args:
        scale: Scale s_k of the level.
        extra_scale: Scale of the extra square prior, ``None`` for no such prior.
        aspect_ratios: Aspect ratios a.
        flip: Whether each ratio a also gives a prior of ratio 1/a.

    Returns:
        (width, height) of each prior in the order of the original release: the square, the extra square, then for each
        aspect ratio a its prior and, with ``flip``, the one of 1/a.
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
    """Return the permutation that puts the shapes of :func:`cell_shapes` into another order.

    Weights trained with an order of the priors other than that of the original release need it.

    Args:
        order: ``'ssd'`` keeps the order; ``'extra_last'`` moves the extra square prior to the end; ``'tall_first'``
            swaps each pair to (1/a, a); a sequence of indices is the permutation itself.
        num_shapes: Number of priors in a cell.
        has_extra: Whether the second one is the extra square prior.

    Returns:
        For each prior of the cell, its index in the order of :func:`cell_shapes`.

    Raises:
        ValueError: ``order`` is neither a known name nor a permutation of the indices.
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
    """Return the priors of one level, placed at the center of every cell.

    Args:
        shapes: ``(A, 2)`` widths and heights in pixels.
        featmap_size: (height, width) of the feature map in cells.
        step: (x, y) distance between cells in pixels: image side / cells for centers at ((i + .5)/f), or the step of
            the original release for centers at (i + .5) * step.
        clip_size: (width, height) of the image in pixels, required with ``clip``.
        clip: ``'corners'`` clips priors at the border, an option of the original release; ``'centers'`` clamps center
            and size to the image; ``'sizes'`` clamps the size alone, as torchvision does; ``None`` leaves priors as
            they are.

    Returns:
        ``(H * W * A, 4)`` xyxy in pixels, in the order: rows, columns, priors of the cell.

    Raises:
        ValueError: ``clip`` is set without ``clip_size``.
    """
    height, width = featmap_size
    x = (torch.arange(width, dtype=shapes.dtype, device=shapes.device) + 0.5) * step[0]
    y = (torch.arange(height, dtype=shapes.dtype, device=shapes.device) + 0.5) * step[1]
    centers = torch.stack(torch.meshgrid(y, x, indexing='ij')[::-1], dim=-1)  # (H, W, 2)
    num = len(shapes)
    centers = centers[:, :, None].expand(-1, -1, num, -1)  # (H, W, A, 2)
    priors = cxcywh_to_xyxy(torch.cat([centers, shapes.expand(height, width, -1, -1)], dim=-1)).reshape(-1, 4)
    if clip is None:
        return priors
    if clip_size is None:
        raise ValueError(f'clip={clip!r} needs clip_size, the size of the image to clip to')
    limits = torch.tensor([*clip_size, *clip_size], dtype=shapes.dtype, device=shapes.device)
    if clip in ('centers', 'sizes'):
        if clip == 'sizes':
            limits[:2] = torch.inf
        return cxcywh_to_xyxy(torch.minimum(xyxy_to_cxcywh(priors).clamp(min=0), limits))
    return torch.minimum(priors.clamp(min=0), limits)
