"""The priors of SSD, as a task module."""

import math
from collections.abc import Sequence

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor
from torch.nn.modules.utils import _pair

from ssd_plugin.ops.priors import cell_shapes, grid_of_priors, interpolate_scales, order_indices


@TASK_UTILS.register_module()
class SSDPriorGenerator:
    """Priors (default boxes) for any input size, square or not. Formulas in :mod:`ssd_plugin.ops.priors`.

    Sizes come from exactly one of ``scales``, ``scale_range`` and ``sizes``::

        SSDPriorGenerator(300, [8, 16, 32, 64, 100, 300], [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
                          scale_range=(0.2, 0.9), first_scale=0.1)

    Args:
        input_size: side of a square input, or (width, height), in pixels.
        strides: per level, pixels from one cell to the next, or (x, y). A level has ``ceil(side / stride)`` cells.
        aspect_ratios: per level, the ratios a > 1; each gives a wide (a) and a tall (1/a) prior. ``None`` for a level whose
            ``sizes`` are all square.
        flip: as in the original release; ``False`` takes the ratios as they are, one prior for each.
        scales: per level, s_k as a share of the input.
        scale_range: (s_min, s_max) for s_k by linear interpolation over the levels.
        first_scale: with ``scale_range``, the first level's own scale, outside the interpolation.
        next_scale: s_{m+1} in the last level's extra square prior sqrt(s_m s_{m+1}): 1.0 as in the paper, another number, or
            ``'own'`` for s_m, which makes that prior a second square of the level's own scale.
        extra_prior: whether levels by scale have the extra square prior.
        scale_to: what a scale is a share of: ``'sides'``, width and height each (the paper's relative coordinates; priors
            stretch with a rectangular input), ``'short'`` or ``'long'`` side (square priors stay square).
        sizes: per level, in pixels: (min, max), where the extra square prior has side sqrt(min * max), or (min,) without it; or,
            where the level's ``aspect_ratios`` is ``None``, the sides of any number of square priors.
        centers: ``'featmap'`` for ((i + .5)/f_w, (j + .5)/f_h) of the image, or ``'step'`` for (i + .5) * stride, as in the
            original release.
        clip: ``None``, ``'corners'``, ``'centers'`` or ``'sizes'``; see :func:`ssd_plugin.ops.priors.grid_of_priors`.
        order: order of the priors within a cell: ``'ssd'``, ``'extra_last'``, ``'tall_first'``, or a list of indices per level;
            see :func:`ssd_plugin.ops.priors.order_indices`.

    Raises:
        ValueError: the arguments do not agree; the message names them.
    """

    def __init__(
        self,
        input_size: int | tuple[int, int],
        strides: Sequence[float | tuple[float, float]],
        aspect_ratios: Sequence[Sequence[float] | None] | None = None,
        flip: bool = True,
        scales: Sequence[float] | None = None,
        scale_range: tuple[float, float] | None = None,
        first_scale: float | None = None,
        next_scale: float | str = 1.0,
        extra_prior: bool = True,
        scale_to: str = 'sides',
        sizes: Sequence[Sequence[float]] | None = None,
        centers: str = 'featmap',
        clip: str | None = None,
        order: str | Sequence[Sequence[int]] = 'ssd',
    ):
        _one_of('centers', centers, ('featmap', 'step'))
        _one_of('clip', clip, (None, 'corners', 'centers', 'sizes'))
        _one_of('scale_to', scale_to, ('sides', 'short', 'long'))
        if sum(value is not None for value in (scales, scale_range, sizes)) != 1:
            raise ValueError(
                f'give exactly one of scales, scale_range and sizes, got scales={scales}, '
                f'scale_range={scale_range}, sizes={sizes}'
            )
        self.input_size = _pair(input_size)
        self.strides = [_pair(stride) for stride in strides]
        self.centers = centers
        self.clip = clip
        if aspect_ratios is None:
            aspect_ratios = [None if sizes is not None else ()] * self.num_levels
        if scale_range is not None:
            scales = interpolate_scales(self.num_levels, scale_range, first_scale)
        per_level = dict(aspect_ratios=aspect_ratios, **(dict(sizes=sizes) if scales is None else dict(scales=scales)))
        for name, value in per_level.items():
            if len(value) != self.num_levels:
                raise ValueError(f'{name} has {len(value)} level(s), strides has {self.num_levels}')

        if scales is None:
            cells = [_pixel_cell(level_sizes, ratios, flip) for level_sizes, ratios in zip(sizes, aspect_ratios)]
        else:
            following = [*scales[1:], scales[-1] if next_scale == 'own' else next_scale]
            extras = [math.sqrt(s * n) if extra_prior else None for s, n in zip(scales, following)]
            unit = self._scale_unit(scale_to)
            cells = [
                ([(w * unit[0], h * unit[1]) for w, h in cell_shapes(s, extra, ratios or (), flip)], extra is not None)
                for s, extra, ratios in zip(scales, extras, aspect_ratios)
            ]
        orders = [order] * self.num_levels if isinstance(order, str) else order
        # Per level, widths and heights in pixels, (A, 2), in double precision until the grid is made.
        self.shapes = [
            torch.tensor(shapes, dtype=torch.float64)[order_indices(level_order, len(shapes), has_extra)]
            for (shapes, has_extra), level_order in zip(cells, orders)
        ]
        self._grids = {}

    def _scale_unit(self, scale_to: str) -> tuple[float, float]:
        if scale_to == 'sides':
            return self.input_size
        return _pair(min(self.input_size) if scale_to == 'short' else max(self.input_size))

    @property
    def num_levels(self) -> int:
        """Number of feature maps."""
        return len(self.strides)

    @property
    def num_base_priors(self) -> list[int]:
        """Priors per cell, for each level."""
        return [len(shapes) for shapes in self.shapes]

    @property
    def featmap_sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each level in cells, as input size and strides give them."""
        width, height = self.input_size
        return [(math.ceil(height / y), math.ceil(width / x)) for x, y in self.strides]

    def grid_priors(
        self,
        featmap_sizes: Sequence[tuple[int, int]],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = 'cuda',
    ) -> list[Tensor]:
        """All priors, the same tensors for every call with the same arguments: not to be changed in place.

        Args:
            featmap_sizes: per level, (height, width).
            dtype: of the result.
            device: of the result; the default is MMDetection's.

        Returns:
            Per level, ``(H * W * A, 4)`` corner form in pixels, in the order rows, columns, priors of the cell.

        Raises:
            ValueError: ``featmap_sizes`` are not those of ``input_size`` and ``strides``; the message shows both.
        """
        featmap_sizes = [tuple(size) for size in featmap_sizes]
        if featmap_sizes != self.featmap_sizes:
            raise ValueError(
                f'the network gives feature maps (height, width) {featmap_sizes}, but input_size={self.input_size} '
                f'(width, height) with strides {self.strides} makes {self.featmap_sizes}. Set input_size and strides '
                'of the prior generator to what the pipeline and the network really give'
            )
        key = (dtype, str(device))
        if key not in self._grids:
            self._grids[key] = [
                grid_of_priors(shapes, size, self._step(size, stride), self.input_size, self.clip).to(device, dtype)
                for shapes, size, stride in zip(self.shapes, featmap_sizes, self.strides)
            ]
        return self._grids[key]

    def _step(self, featmap_size: tuple[int, int], stride: tuple[float, float]) -> tuple[float, float]:
        if self.centers == 'step':
            return stride
        return self.input_size[0] / featmap_size[1], self.input_size[1] / featmap_size[0]

    def valid_flags(
        self, featmap_sizes: Sequence[tuple[int, int]], pad_shape: tuple[int, ...], device: torch.device | str = 'cuda'
    ) -> list[Tensor]:
        """MMDetection's heads ask which priors lie in the image before padding.

        Args:
            featmap_sizes: per level, (height, width).
            pad_shape: (height, width, ...) of the image in pixels.
            device: of the result.

        Returns:
            Per level, ``(H * W * A,)`` bool.
        """
        flags = []
        for (height, width), (x, y), num in zip(featmap_sizes, self.strides, self.num_base_priors):
            rows = torch.arange(height, device=device) < math.ceil(pad_shape[0] / y)
            columns = torch.arange(width, device=device) < math.ceil(pad_shape[1] / x)
            flags.append((rows[:, None, None] & columns[:, None]).expand(-1, -1, num).reshape(-1))
        return flags

    def __repr__(self) -> str:
        shapes = [[(round(w, 2), round(h, 2)) for w, h in level.tolist()] for level in self.shapes]
        return (
            f'{type(self).__name__}(input_size={self.input_size}, featmap_sizes={self.featmap_sizes}, '
            f'strides={self.strides}, centers={self.centers!r}, clip={self.clip!r}, shapes={shapes})'
        )


def _pixel_cell(
    sizes: Sequence[float], ratios: Sequence[float] | None, flip: bool
) -> tuple[list[tuple[float, float]], bool]:
    """Shapes of a cell in pixels, and whether the second is the extra square prior."""
    if ratios is None:
        return [(size, size) for size in sizes], False
    if len(sizes) not in (1, 2):
        raise ValueError(
            f'a level with aspect ratios has sizes (min, max) or (min,), got {tuple(sizes)} with {tuple(ratios)}; '
            'for several square sizes set its aspect_ratios to None'
        )
    extra = math.sqrt(sizes[0] * sizes[1]) if len(sizes) == 2 else None
    return cell_shapes(sizes[0], extra, ratios, flip), extra is not None


def _one_of(name: str, value, choices: tuple) -> None:
    if value not in choices:
        raise ValueError(f'{name} must be one of {choices}, got {value!r}')
