"""Task module that generates the priors of SSD."""

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from mmdet.registry import TASK_UTILS
from torch import Tensor

from ssd_plugin.ops.priors import cell_shapes, grid_of_priors, interpolate_scales, order_indices

Number = TypeVar('Number', int, float)


@TASK_UTILS.register_module()
class SSDPriorGenerator:
    """Generator of priors (default boxes) for any input size, square or not.

    The formulas are in :mod:`ssd_plugin.ops.priors`. Sizes come from exactly one of ``scales``, ``scale_range`` and
    ``sizes``::

        SSDPriorGenerator(300, [8, 16, 32, 64, 100, 300], [[2], [2, 3], [2, 3], [2, 3], [2], [2]],
                          scale_range=(0.2, 0.9), first_scale=0.1)

    Args:
        input_size: Side of a square input, or (width, height), in pixels.
        strides: Per level, the distance between cells in pixels, or (x, y). A level has ``ceil(side / stride)`` cells
            along a side. ``None`` in a config of :class:`MultiBoxDetector` for those of its feature maps.
        aspect_ratios: Per level, the ratios a > 1. Each gives a wide (a) and a tall (1/a) prior. ``None`` for a level
            whose ``sizes`` are all square.
        flip: Whether each ratio a also gives 1/a, as in the original release. ``False`` gives one prior for each ratio.
        scales: Per level, the scale s_k as a fraction of the input.
        scale_range: (s_min, s_max), from which s_k is interpolated linearly over the levels.
        first_scale: With ``scale_range``, the scale of the first level, which is then excluded from the interpolation.
        next_scale: s_{m+1}, for the extra square prior sqrt(s_m s_{m+1}) of the last level: 1.0 as in the paper,
            another number, or ``'own'`` for s_m, which makes that prior a second square of the level's own scale.
        extra_prior: Whether levels with scales have the extra square prior.
        scale_to: Reference length of a scale: ``'sides'``, width and height separately (the relative coordinates of
            the paper; priors stretch with a rectangular input), or the ``'short'`` or ``'long'`` side (square priors
            stay square).
        sizes: Per level, in pixels: (min, max), where the extra square prior has the side sqrt(min * max); (min,) for
            no extra prior; or, where the ``aspect_ratios`` of the level are ``None``, the sides of any number of square
            priors.
        centers: ``'featmap'`` for centers at ((i + .5)/f_w, (j + .5)/f_h) of the image, or ``'step'`` for
            (i + .5) * stride, as in the original release.
        clip: ``None``, ``'corners'``, ``'centers'`` or ``'sizes'``; see :func:`ssd_plugin.ops.priors.grid_of_priors`.
        order: Order of the priors within a cell: ``'ssd'``, ``'extra_last'``, ``'tall_first'``, or a list of indices
            per level; see :func:`ssd_plugin.ops.priors.order_indices`.

    Raises:
        ValueError: The arguments contradict each other; the message names them.
    """

    def __init__(
        self,
        input_size: int | tuple[int, int],
        strides: Sequence[float | tuple[float, float]] | None = None,
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
    ) -> None:
        _one_of('centers', centers, ('featmap', 'step'))
        _one_of('clip', clip, (None, 'corners', 'centers', 'sizes'))
        _one_of('scale_to', scale_to, ('sides', 'short', 'long'))
        if sum(value is not None for value in (scales, scale_range, sizes)) != 1:
            raise ValueError(
                f'give exactly one of scales, scale_range and sizes, got scales={scales}, '
                f'scale_range={scale_range}, sizes={sizes}'
            )
        if strides is None:
            raise ValueError(
                'strides are missing, which MultiBoxDetector takes from its feature maps: set model.type to it, or '
                'give strides'
            )
        self.input_size: tuple[int, int] = _pair(input_size)
        self.strides: list[tuple[float, float]] = [_pair(stride) for stride in strides]
        self.centers = centers
        self.clip = clip
        if aspect_ratios is None:
            aspect_ratios = [None if sizes is not None else ()] * self.num_levels
        if scale_range is not None:
            scales = interpolate_scales(self.num_levels, scale_range, first_scale)
        for name, value in (('aspect_ratios', aspect_ratios), ('scales', scales), ('sizes', sizes)):
            if value is not None and len(value) != self.num_levels:
                raise ValueError(f'{name} has {len(value)} level(s), strides has {self.num_levels}')
        if not all(0 < ratio < math.inf for ratios in aspect_ratios for ratio in ratios or ()):
            raise ValueError(f'aspect_ratios must be positive, got {list(aspect_ratios)}')

        if scales is None:
            cells = [_pixel_cell(level_sizes, ratios, flip) for level_sizes, ratios in zip(sizes or (), aspect_ratios)]
        else:
            if isinstance(next_scale, str):
                _one_of('next_scale', next_scale, ('own',))
                next_scale = scales[-1]
            following = [*scales[1:], next_scale]
            extras = [math.sqrt(s * n) if extra_prior else None for s, n in zip(scales, following)]
            unit = self._scale_unit(scale_to)
            cells = [
                ([(w * unit[0], h * unit[1]) for w, h in cell_shapes(s, extra, ratios or (), flip)], extra is not None)
                for s, extra, ratios in zip(scales, extras, aspect_ratios)
            ]
        orders = [order] * self.num_levels if isinstance(order, str) else order
        # Per level, (A, 2) widths and heights in pixels, in double precision until the grid is computed.
        self.shapes: list[Tensor] = [
            torch.tensor(shapes, dtype=torch.float64)[order_indices(level_order, len(shapes), has_extra)]
            for (shapes, has_extra), level_order in zip(cells, orders)
        ]
        self._check_lengths([shapes for shapes, _ in cells])
        self._grids: dict[tuple[torch.dtype, str], list[Tensor]] = {}

    def _check_lengths(self, cells: Sequence[Sequence[tuple[float, float]]]) -> None:
        """Check that input, strides and priors have positive, finite sides.

        Args:
            cells: Per level, widths and heights of the priors of a cell.

        Raises:
            ValueError: They do not; the message names which.
        """
        strides = [side for stride in self.strides for side in stride]
        for name, lengths in (('input_size', self.input_size), ('strides', strides)):
            if not all(0 < length < math.inf for length in lengths):
                raise ValueError(f'{name} must be positive, got {getattr(self, name)}')
        for level, shapes in enumerate(cells):
            if not all(0 < side < math.inf for shape in shapes for side in shape):
                raise ValueError(f'the priors of level {level} must have positive sides, got {list(shapes)}')

    def _scale_unit(self, scale_to: str) -> tuple[float, float]:
        """Return the (width, height) in pixels that a scale of 1 stands for."""
        if scale_to == 'sides':
            return self.input_size
        return _pair(min(self.input_size) if scale_to == 'short' else max(self.input_size))

    @property
    def num_levels(self) -> int:
        """Number of feature maps."""
        return len(self.strides)

    @property
    def num_base_priors(self) -> list[int]:
        """Number of priors in a cell, per level."""
        return [len(shapes) for shapes in self.shapes]

    @property
    def base_anchors(self) -> list[Tensor]:
        """Per level, the priors ``(A, 4)`` of the first cell, xyxy in pixels, before they are clipped."""
        return [
            grid_of_priors(shapes, (1, 1), self._step(size, stride)).float()
            for shapes, size, stride in zip(self.shapes, self.featmap_sizes, self.strides)
        ]

    @property
    def featmap_sizes(self) -> list[tuple[int, int]]:
        """(height, width) of each feature map in cells, from the input size and the strides."""
        width, height = self.input_size
        return [(math.ceil(height / y), math.ceil(width / x)) for x, y in self.strides]

    def grid_priors(
        self,
        featmap_sizes: Sequence[tuple[int, int]],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = 'cuda',
    ) -> list[Tensor]:
        """Return all priors.

        Calls with the same arguments return the same tensors, which must not be modified in place.

        Args:
            featmap_sizes: Per level, (height, width) in cells.
            dtype: Type of the result.
            device: Device of the result. The default is MMDetection's.

        Returns:
            Per level, ``(H * W * A, 4)`` xyxy in pixels, in the order: rows, columns, priors of the cell.

        Raises:
            ValueError: ``featmap_sizes`` do not follow from ``input_size`` and ``strides``; the message shows both.
        """
        found = [tuple(size) for size in featmap_sizes]
        if found != self.featmap_sizes:
            raise ValueError(
                f'the feature maps of the network have the sizes {found} (height, width), but '
                f'input_size={self.input_size} (width, height) with strides {self.strides} gives {self.featmap_sizes}. '
                'Set input_size and strides of the prior generator to match the pipeline and the network'
            )
        key = (dtype, str(device))
        if key not in self._grids:
            self._grids[key] = [
                grid_of_priors(shapes, size, self._step(size, stride), self.input_size, self.clip).to(device, dtype)
                for shapes, size, stride in zip(self.shapes, self.featmap_sizes, self.strides)
            ]
        return self._grids[key]

    def single_level_grid_priors(
        self,
        featmap_size: tuple[int, int],
        level_idx: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = 'cuda',
    ) -> Tensor:
        """Return the priors of one level, as :meth:`grid_priors` does those of all.

        Args:
            featmap_size: (height, width) of the level in cells.
            level_idx: Index of the level.
            dtype: Type of the result.
            device: Device of the result. The default is MMDetection's.

        Returns:
            ``(H * W * A, 4)`` xyxy in pixels, which must not be modified in place.

        Raises:
            ValueError: ``featmap_size`` does not follow from ``input_size`` and the stride of the level.
        """
        sizes = self.featmap_sizes
        sizes[level_idx] = featmap_size
        return self.grid_priors(sizes, dtype, device)[level_idx]

    def sparse_priors(
        self,
        prior_idxs: Tensor,
        featmap_size: tuple[int, int],
        level_idx: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = 'cuda',
    ) -> Tensor:
        """Return some of the priors of a level.

        Args:
            prior_idxs: ``(N,)`` indices into the priors of :meth:`single_level_grid_priors`.
            featmap_size: (height, width) of the level in cells.
            level_idx: Index of the level.
            dtype: Type of the result.
            device: Device of the result. The default is MMDetection's.

        Returns:
            ``(N, 4)`` xyxy in pixels.

        Raises:
            ValueError: ``featmap_size`` does not follow from ``input_size`` and the stride of the level.
        """
        return self.single_level_grid_priors(featmap_size, level_idx, dtype, device)[prior_idxs.to(device)]

    def _step(self, featmap_size: tuple[int, int], stride: tuple[float, float]) -> tuple[float, float]:
        """Return the (x, y) distance between the cells of a level in pixels."""
        if self.centers == 'step':
            return stride
        return self.input_size[0] / featmap_size[1], self.input_size[1] / featmap_size[0]

    def valid_flags(
        self, featmap_sizes: Sequence[tuple[int, int]], pad_shape: tuple[int, ...], device: torch.device | str = 'cuda'
    ) -> list[Tensor]:
        """Return which priors have their cell within an image, for MMDetection's heads.

        Args:
            featmap_sizes: Per level, (height, width) in cells.
            pad_shape: (height, width, ...) of the image in pixels, smaller than the input where the batch is padded.
            device: Device of the result.

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
    """Return the shapes of a cell in pixels, and whether the second one is the extra square prior."""
    if ratios is None:
        return [(size, size) for size in sizes], False
    if len(sizes) not in (1, 2):
        raise ValueError(
            f'a level with aspect ratios needs sizes (min, max) or (min,), got {tuple(sizes)} with {tuple(ratios)}; '
            'for a list of square priors set its aspect_ratios to None'
        )
    extra = math.sqrt(sizes[0] * sizes[1]) if len(sizes) == 2 else None
    return cell_shapes(sizes[0], extra, ratios, flip), extra is not None


def _pair(value: Number | Sequence[Number]) -> tuple[Number, Number]:
    """Return two values as a tuple, and one value twice."""
    if not isinstance(value, Iterable):
        return value, value
    x, y = value
    return x, y


def _one_of(name: str, value: str | None, choices: Sequence[str | None]) -> None:
    if value not in choices:
        raise ValueError(f'{name} must be one of {choices}, got {value!r}')
