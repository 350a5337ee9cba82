"""Config with tuned priors that inherits the one they were tuned for."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from ssd_plugin.errors import UserError
from ssd_plugin.models.task_modules import SSDPriorGenerator
from ssd_plugin.ops.boxes import pairwise_iou

from .config_priors import ConfigPriors, build_task, head_of, number, pixels
from .prior_coverage import BLOCK
from .prior_tuning import LevelSettings

# Width of the comments, whose commands and paths stay whole.
WIDTH = 120
WHOLE = dict(break_long_words=False, break_on_hyphens=False)
# Settings of the generator that `sizes` replaces.
SCALES = ('scales', 'scale_range', 'first_scale')


def generator_of(cfg: Config) -> tuple[str, dict[str, Any], SSDPriorGenerator]:
    """Return the prior generator of a config: its key in the head, its settings, and the generator.

    Raises:
        UserError: The head has no ``SSDPriorGenerator``, or its settings contradict each other.
    """
    head = head_of(cfg)
    # MMDetection's heads have the second name.
    for key in ('prior_generator', 'anchor_generator'):
        options = head.get(key)
        if isinstance(options, dict) and options.get('type') in ('SSDPriorGenerator', SSDPriorGenerator):
            return key, options, build_task(options, 'prior generator')
    kind = next((head[key].get('type') for key in ('prior_generator', 'anchor_generator') if head.get(key)), 'nowhere')
    raise UserError(
        f'{cfg.filename}: only priors of SSDPriorGenerator (model.bbox_head.prior_generator) can be tuned; those of '
        f'this head come from {kind}'
    )


def changes_of(options: dict[str, Any], levels: Sequence[LevelSettings]) -> dict[str, Any]:
    """Return the settings of a prior generator to change so that it has tuned priors.

    Args:
        options: Settings of the generator.
        levels: Tuned settings of each level.
    """
    changes: dict[str, Any] = {key: None for key in SCALES if options.get(key) is not None}
    if not isinstance(options.get('order', 'ssd'), str):
        lengths = [len(order) for order in options['order']]
        if lengths != [len(level.shapes(options.get('flip', True))) for level in levels]:
            changes['order'] = 'ssd'
    changes['sizes'] = [level.sizes for level in levels]
    ratios = [None if level.ratios is None else list(level.ratios) for level in levels]
    if any(level is not None for level in ratios) or options.get('aspect_ratios') is not None:
        changes['aspect_ratios'] = ratios
    return changes


def with_changes(cfg: Config, key: str, changes: dict[str, Any]) -> Config:
    """Return a copy of a config with settings of its prior generator changed."""
    tuned = Config(cfg.to_dict(), filename=cfg.filename)
    tuned.model.bbox_head[key].update(changes)
    return tuned


def level_reasons(priors: ConfigPriors, boxes: Tensor) -> list[str]:
    """Return for each level which objects its priors fit best: how many, and of what sides.

    Args:
        priors: The tuned priors.
        boxes: ``(N, 4)`` training objects, xyxy in pixels of the input.
    """
    best = torch.cat([pairwise_iou(block, priors.used).argmax(dim=1) for block in boxes.split(BLOCK)])
    owner = priors.locate(best)[:, 0]
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).sqrt()
    reasons = []
    for index, level in enumerate(priors.levels):
        height, width = level.featmap_size
        mine = sides[owner == index]
        if len(mine):
            low, high = (round(value) for value in mine.quantile(torch.tensor([0.1, 0.9])).tolist())
            fraction = f'{len(mine) / len(boxes):.0%}' if len(mine) >= 0.005 * len(boxes) else 'under 1%'
            reason = f'best for {fraction} of the training objects, most with sides of {low} to {high}'
        else:
            reason = 'best for no training object'
        reasons.append(f'{pixels(width, height)} cells, stride {number(level.stride[0])}: {reason}')
    return reasons


def config_text(
    base: str,
    key: str,
    changes: dict[str, Any],
    kept: Sequence[bool],
    reasons: Sequence[str],
    head_lines: Sequence[str],
    input_size: tuple[int, int],
) -> str:
    """Return the text of a config that inherits another one and changes its priors.

    Args:
        base: Value of ``_base_``.
        key: Key of the prior generator in the head.
        changes: Settings of the generator to change.
        kept: For each level, whether its priors are those of the base.
        reasons: For each level, why its priors are as they are.
        head_lines: Lines of comment at the top.
        input_size: (width, height) of the input.
    """
    lines = [
        *(part for line in head_lines for part in textwrap.wrap(f'# {line}', WIDTH, subsequent_indent='#   ', **WHOLE)),
        f'_base_ = {base!r}',
        'model = dict(',
        '    bbox_head=dict(',
    ]
    lines.append(f'        {key}=dict(')
    for name, value in changes.items():
        if name == 'sizes':
            squares = all(level is None for level in changes.get('aspect_ratios') or [None])
            kinds = 'sides of the square priors' if squares else '(s, t): squares of sides s and sqrt(s * t)'
            lines.append(f'            # In pixels at {pixels(*input_size)}, {kinds}.')
            lines.append('            sizes=[')
            for sizes, reason, same in zip(value, reasons, kept):
                note = '; as before, since others fit no better' if same else ''
                lines.append(f'                # {reason}{note}')
                lines.append(
                    f'                ({", ".join(f"{size:.4g}" for size in sizes)}{"," * (len(sizes) == 1)}),'
                )
            lines.append('            ],')
        elif name == 'aspect_ratios':
            lines.append('            # Width : height, or its inverse, of the other priors.')
            lines.append(f'            aspect_ratios={value!r},')
        else:
            lines.append(f'            {name}={value!r},')
    return '\n'.join([*lines, '        ),', '    ),', ')', ''])


def base_of(config: str, output: Path) -> str:
    """Return the ``_base_`` by which a config at ``output`` inherits a config, given by path or ``PACKAGE::NAME``."""
    if '::' in config:
        return config
    path, folder = os.path.abspath(config), os.path.abspath(output.parent)
    # Relative unless they have nothing but the root in common: the two are then moved together.
    return path if os.path.commonpath([path, folder]) == os.path.sep else os.path.relpath(path, folder)
