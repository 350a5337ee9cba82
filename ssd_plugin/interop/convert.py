"""Conversion of another implementation's checkpoint to one of this package."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError

from .checkpoint_files import check_copy, read_checkpoint, shortened
from .formats import FORMATS, Format
from .target_config import class_options, dataset_meta, parameter_shapes, save_weights


class Conversion(NamedTuple):
    """Result of a conversion.

    Attributes:
        format: Key of :data:`~ssd_plugin.interop.formats.FORMATS`.
        config: Config that the written checkpoint loads into.
        options: ``--cfg-options`` that the config needs for it, often empty.
        classes: Names of the classes, without the background.
        num_tensors: Number of tensors written.
    """

    format: str
    config: str
    options: dict[str, Any]
    classes: tuple[str, ...]
    num_tensors: int


class _Candidate(NamedTuple):
    """Format and config that a file may have, with the renamed state dict and the parameters that do not fit."""

    format: str
    config: str
    options: dict[str, Any]
    state: dict[str, Tensor]
    problems: list[str]


# The components are registered with MMDetection, whose scope the calling program need not have set.
@DefaultScope.overwrite_default_scope('mmdet')
def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    source_format: str = 'auto',
    config: str | None = None,
    classes: Sequence[str] | None = None,
    whole_model: bool = False,
) -> Conversion:
    """Convert another implementation's checkpoint to one that loads with ``strict=True`` into a config of this package.

    Args:
        source: File to read, in a form that :func:`~ssd_plugin.interop.checkpoint_files.read_checkpoint` accepts.
        target: File to write, atomically.
        source_format: Key of :data:`~ssd_plugin.interop.formats.FORMATS`, or ``'auto'`` to recognize the format by
            names and shapes.
        config: Config to convert for, instead of those of the format.
        classes: Names of the classes without the background, for weights trained on a dataset other than the config's.
        whole_model: Whether the source is a model that was pickled whole.

    Returns:
        Format that was recognized, and a description of the checkpoint that was written.

    Raises:
        UserError: The file is damaged, contains code to run, has no known format, or does not fit; nothing is written.
    """
    check_copy(target, source)
    state, meta = read_checkpoint(source, whole_model)
    if source_format == 'auto' and ('ssd_plugin' in meta or 'MultiBoxHead' in str(meta.get('cfg'))):
        raise UserError(
            f'{source} is a checkpoint of this package: it needs no conversion to load into the config that it was '
            'trained with. --to mmdet converts it to MMDetection; --format NAME converts it all the same'
        )
    found = _recognize(source, state, source_format, config)
    cfg = read_config(found.config, found.options)
    names = dataset_meta(cfg, meta, classes, source)
    origin = dict(format=found.format, config=found.config, source=Path(source).name)
    save_weights(target, found.state, cfg, names, origin)
    return Conversion(found.format, found.config, found.options, names['classes'], len(found.state))


def _recognize(source: str | Path, state: dict[str, Tensor], source_format: str, config: str | None) -> _Candidate:
    """Return the format and config that a state dict fits.

    Raises:
        UserError: There is none; the message names the parameters that do not fit the closest one.
    """
    if source_format != 'auto' and source_format not in FORMATS:
        raise UserError(f'unknown format {source_format!r}; choose auto or one of {", ".join(FORMATS)}')
    formats = FORMATS if source_format == 'auto' else {source_format: FORMATS[source_format]}
    renamed = {key: {name: form.rename(name) for name in state} for key, form in formats.items()}
    # Only the formats that know the most names can fit best.
    unknown = {key: [name for name, ours in names.items() if ours is None] for key, names in renamed.items()}
    fewest = min(map(len, unknown.values()))
    candidates = [
        _candidate(key, path, state, renamed[key])
        for key, form in formats.items()
        if len(unknown[key]) == fewest
        for path in ([config] if config else [f'ssd_plugin::{name}' for name in form.configs])
    ]
    # Among configs that fit equally well, the one with the number of classes of the file.
    best = min(candidates, key=lambda found: (len(found.problems), bool(found.options)))
    if best.problems:
        raise UserError(
            f'{source} has no known format, or is incomplete. It is closest to {FORMATS[best.format].title} '
            f'({best.format}, {best.config}), which these parameters do not fit: {shortened(best.problems)}. '
            f'Known formats: {", ".join(FORMATS)}'
        )
    return best


def _candidate(key: str, path: str, state: dict[str, Tensor], names: dict[str, str | None]) -> _Candidate:
    """Compare a state dict with the parameters of a config.

    Args:
        key: Key of the format.
        path: The config.
        state: State dict of the other implementation.
        names: For each of its parameters the name in this package, ``None`` for an unknown one.
    """
    form = FORMATS[key]
    problems = [f'{name} (unknown)' for name, ours in names.items() if ours is None]
    origin: dict[str, str] = {}
    for name, ours in names.items():
        if ours is None:
            continue
        if ours in origin:
            problems.append(f'{name} (a duplicate of {origin[ours]})')
        else:
            origin[ours] = name
    converted = form.adapt({ours: state[name] for ours, name in origin.items()})
    options = class_options(path, converted)
    shapes = parameter_shapes(path, tuple(options.items()))
    # Files older than torch 0.4.1 have no batch counts, which inference does not use.
    converted |= {
        name: torch.zeros(shape, dtype=torch.long)
        for name, shape in shapes.items()
        if name.endswith('num_batches_tracked') and name not in converted
    }
    for name, value in converted.items():
        if name not in shapes:
            problems.append(f'{origin.get(name, name)} (not in {path})')
        elif value.shape != shapes[name]:
            problems.append(f'{origin.get(name, name)} (shape {tuple(value.shape)}, expected {tuple(shapes[name])})')
    problems += [f'{_their_name(form, name)} (missing)' for name in shapes if name not in converted]
    ordered = {name: converted[name].contiguous() for name in shapes} if not problems else converted
    return _Candidate(key, path, options, ordered, problems)


def _their_name(form: Format, name: str) -> str:
    """Return the name that the other implementation gives to a parameter of this package."""
    for theirs, ours in form.names.items():
        if name == ours or name.startswith(ours + '.'):
            return theirs + name[len(ours) :]
    return name
