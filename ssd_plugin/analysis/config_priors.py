"""The priors of a config by level and cell."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from mmdet.models.task_modules.prior_generators import SSDAnchorGenerator
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from torch import Tensor

from ssd_plugin.configs import SPLITS, pipeline_steps
from ssd_plugin.errors import UserError, first_line
from ssd_plugin.models.feature_levels import complete_levels
from ssd_plugin.models.task_modules import SSDPriorGenerator

from .text_tables import aligned


class LevelPriors(NamedTuple):
    """Priors of one feature map of (H, W) cells, A in a cell, in pixels of the input.

    Attributes:
        stride: (x, y) of the config.
        used: ``(H, W, A, 4)`` xyxy, as the detector uses them.
        unclipped: ``(H, W, A, 4)`` xyxy, without the generator's ``clip``.
    """

    stride: tuple[float, float]
    used: Tensor
    unclipped: Tensor

    @property
    def featmap_size(self) -> tuple[int, int]:
        """(height, width) in cells."""
        return self.used.shape[0], self.used.shape[1]

    @property
    def step(self) -> tuple[float, float]:
        """(x, y) distance between cells, which is not the stride where centers follow from the feature map."""
        corners = self.unclipped[0, 0, 0]
        # The center of the first cell is half a step from the border.
        return (corners[0] + corners[2]).item(), (corners[1] + corners[3]).item()

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """(width, height) of each prior of a cell, not clipped."""
        boxes = self.unclipped[0, 0]
        return [(width, height) for width, height in (boxes[:, 2:] - boxes[:, :2]).tolist()]

    def center(self, cell: tuple[int, int]) -> tuple[float, float]:
        """Return the center (x, y) of a cell (row, column), where its priors have their centers unless clipped."""
        (row, column), (x, y) = cell, self.step
        return (column + 0.5) * x, (row + 0.5) * y


class ConfigPriors(NamedTuple):
    """Priors of a config.

    Attributes:
        input_size: (width, height) of the network's input in pixels.
        clip: How the generator clips priors; ``None`` if it does not.
        levels: Priors of each level.
    """

    input_size: tuple[int, int]
    clip: str | None
    levels: list[LevelPriors]

    @property
    def used(self) -> Tensor:
        """``(P, 4)``, the priors in the order of training, as the detector uses them."""
        return torch.cat([level.used.flatten(0, 2) for level in self.levels])

    @property
    def unclipped(self) -> Tensor:
        """``(P, 4)``, the priors in the same order, not clipped."""
        return torch.cat([level.unclipped.flatten(0, 2) for level in self.levels])

    def locate(self, priors: Tensor) -> Tensor:
        """Return (level, row, column, prior of the cell) ``(N, 4)`` of priors, given by index ``(N,)``."""
        counts = torch.tensor([level.used[..., 0].numel() for level in self.levels])
        ends = counts.cumsum(0)
        level = torch.bucketize(priors, ends, right=True)
        shapes = torch.tensor([level.used.shape[1:3] for level in self.levels])[level]  # (N, 2): W, A
        index = priors - (ends - counts)[level]
        cell = index // shapes[:, 1]
        return torch.stack([level, cell // shapes[:, 0], cell % shapes[:, 0], index % shapes[:, 1]], dim=1)


def priors_of(cfg: Config) -> ConfigPriors:
    """Return the priors of a config, from its ``SSDPriorGenerator`` or MMDetection's ``SSDAnchorGenerator``.

    Raises:
        UserError: The config has no such generator, or its settings contradict each other.
    """
    options = _generator_options(cfg)
    generator = _build(options)
    size = _input_size(generator, cfg)
    sizes = [(math.ceil(size[1] / y), math.ceil(size[0] / x)) for x, y in generator.strides]
    clip = getattr(generator, 'clip', None)
    used = list(_grids(generator, sizes))
    unclipped = used if clip is None else list(_grids(_build({**options, 'clip': None}), sizes))
    return ConfigPriors(size, clip, [LevelPriors(*level) for level in zip(generator.strides, used, unclipped)])


def head_of(cfg: Config) -> dict[str, Any]:
    """Return the config of the head, with the strides that its network gives; empty if there is none.

    Raises:
        UserError: The strides cannot be found out.
    """
    model = cfg.get('model')
    model = model if isinstance(model, dict) else {}
    try:
        # Priors can be drawn without a network.
        head = (complete_levels(model) if model.get('backbone') else model).get('bbox_head')
    except ValueError as error:
        raise UserError(f'{cfg.filename}: {first_line(error)}') from error
    return head if isinstance(head, dict) else {}


def _generator_options(cfg: Config) -> dict:
    """Return the settings of the prior generator; MMDetection's heads call it ``anchor_generator``.

    Raises:
        UserError: There is none, or its strides cannot be found out.
    """
    head = head_of(cfg)
    options = head.get('prior_generator') or head.get('anchor_generator')
    if not options:
        raise UserError(
            f'{cfg.filename} has no prior generator (model.bbox_head.prior_generator); give the config of a detector'
        )
    return dict(options)


def build_task(options: dict, what: str) -> Any:
    """Return a task module of a config.

    Args:
        options: Its settings.
        what: Its name, for messages.

    Raises:
        UserError: The settings contradict each other, or there is no such module.
    """
    try:
        return TASK_UTILS.build(dict(options))
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        # MMEngine's message about an unknown type has several lines.
        reason = ' '.join(str(error).split())
        raise UserError(f'the {what} of the config cannot be built: {reason}') from error


def _build(options: dict) -> SSDPriorGenerator | SSDAnchorGenerator:
    """Return the generator with some settings."""
    generator = build_task(options, 'prior generator')
    if not isinstance(generator, (SSDPriorGenerator, SSDAnchorGenerator)):
        raise UserError(
            f'the priors of {type(generator).__name__} cannot be shown: it is neither SSDPriorGenerator nor '
            'SSDAnchorGenerator'
        )
    return generator


def _input_size(generator: SSDPriorGenerator | SSDAnchorGenerator, cfg: Config) -> tuple[int, int]:
    """Return the (width, height) of the input; MMDetection's generator knows it only where it computes the sizes."""
    own = getattr(generator, 'input_size', None)
    if own is not None:
        return own if isinstance(own, tuple) else (own, own)
    loaders = [cfg.get(f'{split}_dataloader') for split in reversed(SPLITS)]
    for loader in filter(None, loaders):
        scales = [step['scale'] for step, _ in pipeline_steps(loader['dataset']) if 'scale' in step]
        if scales:
            width, height = scales[-1]
            return width, height
    raise UserError(f'{cfg.filename} names no input size: no step of its pipelines has a scale')


def _grids(generator: SSDPriorGenerator | SSDAnchorGenerator, sizes: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """Yield the priors of each level, ``(H, W, A, 4)``, for feature maps of (height, width) cells."""
    for grid, size in zip(generator.grid_priors(sizes, device='cpu'), sizes):
        yield get_box_tensor(grid).view(*size, -1, 4)


def number(value: float) -> str:
    """Format pixels with at most one decimal place."""
    return f'{value:.1f}'.removesuffix('.0')


def pixels(width: float, height: float) -> str:
    """Format a size in pixels."""
    return f'{number(width)}x{number(height)}'


def stride_text(stride: tuple[float, float]) -> str:
    """Format a stride, as one number where it is the same in both directions."""
    return number(stride[0]) if stride[0] == stride[1] else pixels(*stride)


def level_lines(priors: ConfigPriors) -> list[str]:
    """Return a table of the levels: feature map, stride, number and sizes of the priors."""
    rows = [['level', 'feature map', 'stride', 'per cell', 'priors', 'width x height of the priors']]
    for index, level in enumerate(priors.levels):
        (height, width), per_cell = level.featmap_size, len(level.sizes)
        rows.append(
            [
                str(index),
                pixels(width, height),
                stride_text(level.stride),
                str(per_cell),
                str(width * height * per_cell),
                ' '.join(pixels(*size) for size in level.sizes),
            ]
        )
    clipped = 'not clipped' if priors.clip is None else f'clipped (clip={priors.clip!r}; the sizes are those before)'
    return [
        *aligned(rows, left=[5]),
        f'{len(priors.used)} priors at {pixels(*priors.input_size)}, {clipped}',
    ]
