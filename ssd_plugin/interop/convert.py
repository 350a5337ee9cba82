"""From another implementation's checkpoint to one of this package."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError

from .checkpoint_files import check_copy, read_checkpoint, shortened
from .formats import FORMATS, Format
from .target_config import class_options, dataset_meta, parameter_shapes, save_weights


class Conversion(NamedTuple):
    """What was found and written."""

    format: str  # key of FORMATS
    config: str  # the config that the checkpoint loads into
    options: dict  # what --cfg-options must change in it, {} for nothing
    classes: tuple[str, ...]
    num_tensors: int


class _Candidate(NamedTuple):
    """A format and a config that a file may be for, and what speaks against it."""

    format: str
    config: str
    options: dict
    state: dict[str, Tensor]
    problems: list[str]


# The components are in MMDetection's registries, whatever program calls.
@DefaultScope.overwrite_default_scope('mmdet')
def convert_checkpoint(
    source: str | Path,
    target: str | Path,
    format: str = 'auto',
    config: str | None = None,
    classes: Sequence[str] | None = None,
    whole_model: bool = False,
) -> Conversion:
    """Write a checkpoint of another implementation as one that loads, with ``strict=True``, into a config of this package.

    Args:
        source: file, read as :func:`~ssd_plugin.interop.checkpoint_files.read_checkpoint` says.
        target: file to write; written whole or not at all.
        format: key of :data:`~ssd_plugin.interop.formats.FORMATS`, or ``'auto'`` to recognise it by names and shapes.
        config: a config file in place of those that the format names.
        classes: names of the classes without the background, for weights that were trained on other data than the config's.
        whole_model: the source is a model that was pickled whole.

    Returns:
        :class:`Conversion`.

    Raises:
        UserError: the file is damaged, asks to run code, is of no known format, or does not fit; nothing is written.
    """
    check_copy(target, source)
    state, meta = read_checkpoint(source, whole_model)
    found = _recognise(source, state, format, config)
    cfg = read_config(found.config, found.options)
    names = dataset_meta(cfg, meta, classes, source)
    origin = dict(format=found.format, config=found.config, source=Path(source).name)
    save_weights(target, found.state, cfg, names, origin)
    return Conversion(found.format, found.config, found.options, names['classes'], len(found.state))


def _recognise(source: str | Path, state: dict[str, Tensor], format: str, config: str | None) -> _Candidate:
    if format != 'auto' and format not in FORMATS:
        raise UserError(f'unknown format {format!r}; known are auto, {", ".join(FORMATS)}')
    formats = FORMATS if format == 'auto' else {format: FORMATS[format]}
    renamed = {key: {name: form.rename(name) for name in state} for key, form in formats.items()}
    # The formats that know most of the names; the others cannot do better.
    unknown = {key: [name for name, ours in names.items() if ours is None] for key, names in renamed.items()}
    fewest = min(map(len, unknown.values()))
    candidates = [
        _candidate(key, path, state, renamed[key])
        for key, form in formats.items()
        if len(unknown[key]) == fewest
        for path in ([config] if config else [f'ssd_plugin::{name}' for name in form.configs])
    ]
    # Of configs that fit alike, the one with as many classes as the file.
    best = min(candidates, key=lambda found: (len(found.problems), bool(found.options)))
    if best.problems:
        raise UserError(
            f'{source} is of no known format, or not whole. It is closest to {FORMATS[best.format].title} '
            f'({best.format}, {best.config}), of which do not fit: {shortened(best.problems)}. '
            f'Known formats: {", ".join(FORMATS)}'
        )
    return best


def _candidate(key: str, path: str, state: dict[str, Tensor], names: dict[str, str | None]) -> _Candidate:
    form = FORMATS[key]
    problems = [f'{name} (unknown)' for name, ours in names.items() if ours is None]
    origin = {}
    for name, ours in names.items():
        if ours in origin:
            problems.append(f'{name} (the same as {origin[ours]})')
        elif ours is not None:
            origin[ours] = name
    converted = form.adapt({ours: state[name] for ours, name in origin.items()})
    options = class_options(path, converted)
    shapes = parameter_shapes(path, tuple(options.items()))
    # Files older than torch 0.4.1 do not count batches; the count is not used.
    converted |= {
        name: torch.zeros(shape, dtype=torch.long)
        for name, shape in shapes.items()
        if name.endswith('num_batches_tracked') and name not in converted
    }
    for name, value in converted.items():
        if name not in shapes:
            problems.append(f'{origin.get(name, name)} (not in {path})')
        elif value.shape != shapes[name]:
            problems.append(f'{origin.get(name, name)} (shape {tuple(value.shape)}, should be {tuple(shapes[name])})')
    problems += [f'{_their_name(form, name)} (missing)' for name in shapes if name not in converted]
    ordered = {name: converted[name].contiguous() for name in shapes} if not problems else converted
    return _Candidate(key, path, options, ordered, problems)


def _their_name(form: Format, name: str) -> str:
    """What the other implementation calls a parameter of ours."""
    for theirs, ours in form.names.items():
        if name == ours or name.startswith(ours + '.'):
            return theirs + name[len(ours) :]
    return name
