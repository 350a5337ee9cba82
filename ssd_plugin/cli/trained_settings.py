"""Comparison of a checkpoint with the model that loads it: its tensors, and the settings that it was trained with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmdet.registry import MODELS, TASK_UTILS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ssd_plugin.configs import datasets_of_splits, drop_pretrained, settings_of_text
from ssd_plugin.errors import UserError
from ssd_plugin.interop.target_config import output_layout
from ssd_plugin.models.feature_levels import complete_levels

from .config_sections import own_classes

# Fraction of the model's tensors below which a checkpoint is taken for one of another model.
LITTLE = 0.2
# Tensors and settings that a message lists.
LISTED = 3
# Settings that say what the outputs of a model mean, and how its input is scaled.
_HEAD = ('prior_generator', 'anchor_generator', 'bbox_coder', 'use_sigmoid', 'background', 'unused_outputs')
_INPUT = ('mean', 'std', 'bgr_to_rgb', 'rgb_to_bgr')
CONVERT = 'tools/convert_checkpoint.py converts weights of other implementations'


class Comparison(NamedTuple):
    """Result of :func:`compare`.

    Attributes:
        loaded: Fraction of the model's tensors that the checkpoint has.
        missing: Those that it does not have, or in another shape, described.
        settings: Settings that it was trained with and that differ, described.
    """

    loaded: float
    missing: list[str]
    settings: list[str]


def check_for_inference(cfg: Config, path: str, splits: Sequence[str] = ()) -> None:
    """Check that a checkpoint fills the model of a config, and was trained to be decoded as the config does.

    Args:
        cfg: Complete config.
        path: Path or address of the checkpoint.
        splits: Splits whose class names must be those of the checkpoint.

    Raises:
        UserError: It does not, or was not.
    """
    found = compare(cfg, path, splits)
    _refuse_others(found, path)
    remedy = 'Use the config that it was trained with, or accept the difference with --ignore-mismatch'
    if found.missing:
        raise UserError(
            f'{path} lacks {len(found.missing)} tensor(s) of the model, which would be random: '
            f'{_listed(found.missing)}. {remedy}'
        )
    if found.settings:
        raise UserError(f'{path} was trained with other settings: {_listed(found.settings)}. {remedy}')


def notes_for_training(cfg: Config, path: str) -> list[str]:
    """Return warnings about a checkpoint that a training starts from.

    What a :class:`MultiBoxHead` does not take over from it, :class:`ClassTransferHook` says.

    Args:
        cfg: Complete config. Pretrained weights are dropped from it if the checkpoint fills the backbone.
        path: Path or address of the checkpoint.

    Raises:
        UserError: It is that of another model.
    """
    found = compare(cfg, path)
    _refuse_others(found, path)
    notes = []
    if not any(name.startswith('backbone.') for name in found.missing):
        drop_pretrained(cfg.model.backbone)
    if found.missing and cfg.model.get('bbox_head', {}).get('type') != 'MultiBoxHead':
        notes.append(f'{path} lacks {len(found.missing)} tensor(s), which start at random: {_listed(found.missing)}')
    if found.settings:
        notes.append(f'{path} was trained with other settings: {_listed(found.settings)}')
    return notes


def _refuse_others(found: Comparison, path: str) -> None:
    if found.loaded < LITTLE:
        raise UserError(
            f'{path} is no checkpoint of this model: it has {found.loaded:.0%} of its tensors, and lacks '
            f'{_listed(found.missing)}. {CONVERT}'
        )


def _listed(items: Sequence[str]) -> str:
    more = f' and {len(items) - LISTED} more' if len(items) > LISTED else ''
    return f'{"; ".join(items[:LISTED])}{more}'


@DefaultScope.overwrite_default_scope('mmdet')
def compare(cfg: Config, path: str, splits: Sequence[str] = ()) -> Comparison:
    """Compare a checkpoint with the model of a config.

    Args:
        cfg: Complete config.
        path: Path or address of the checkpoint.
        splits: Splits whose class names are compared.
    """
    content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    content = content if isinstance(content, dict) else {}
    state = {name.removeprefix('module.'): value for name, value in content.get('state_dict', content).items()}
    with torch.random.fork_rng(devices=[]):
        model = MODELS.build(cfg.model).state_dict()
    # Files older than torch 0.4.1 have no batch counts, which inference does not use.
    shapes = {name: value.shape for name, value in model.items() if not name.endswith('num_batches_tracked')}
    missing = list(_missing(state, shapes))
    meta = content.get('meta') if isinstance(content.get('meta'), dict) else {}
    settings = [*_differences(cfg, settings_of_text(meta.get('cfg'))), *_other_classes(cfg, meta, splits)]
    return Comparison(1 - len(missing) / max(len(shapes), 1), missing, settings)


def _missing(state: Mapping[str, Any], shapes: Mapping[str, torch.Size]) -> Iterator[str]:
    """Yield a description of each tensor of the model that a state dict does not have."""
    for name, shape in shapes.items():
        value = state.get(name)
        if isinstance(value, Tensor) and value.shape != shape:
            yield f'{name} has the shape {tuple(value.shape)}, the model {tuple(shape)}'
        elif not isinstance(value, Tensor):
            yield name


def _differences(cfg: Config, trained: Mapping[str, Any]) -> Iterator[str]:
    """Yield a description of each setting that makes a model decode differently from how it was trained."""
    then = trained.get('model')
    if not isinstance(then, dict):
        return
    completed = _completed(then), _completed(cfg.model)
    for part, names in (('bbox_head', _HEAD), ('data_preprocessor', _INPUT)):
        before, now = (model.get(part) for model in completed)
        if not isinstance(before, dict) or not isinstance(now, dict):
            continue
        for name in names:
            pair = before.get(name), now.get(name)
            if name == 'unused_outputs':
                pair = _unused(before), _unused(now)
            if _plain(pair[0]) != _plain(pair[1]) and not _same_component(*pair):
                yield from _leaves(f'model.{part}.{name}', *map(_plain, pair))


def _unused(head: dict[str, Any]) -> Any:
    """Return the unused outputs of a head, which those of an inherited config are not."""
    try:
        return output_layout(ConfigDict(head)).unused
    except (AttributeError, TypeError, ValueError):
        # Another package's head, or one that cannot be built.
        return head.get('unused_outputs')


def _completed(model: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a model with the strides that its network gives, if it can be built."""
    try:
        return complete_levels(model)
    except Exception:
        # What another version has trained may have parts that this one does not know.
        return model


def _plain(value: Any) -> Any:
    """Return a setting with lists for tuples and dicts for MMEngine's, and ``None`` for what is empty or off."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value] or None
    return None if value is False else value


def _same_component(before: Any, now: Any) -> bool:
    """Return whether two configs of a box coder or prior generator build the same."""
    try:
        one, other = (TASK_UTILS.build(dict(part)) for part in (before, now))
    except Exception:
        # What cannot be built, because another version has trained it or a part is missing, is not known to be equal.
        return False
    if hasattr(one, 'featmap_sizes') and hasattr(other, 'featmap_sizes'):
        if one.featmap_sizes != other.featmap_sizes:
            return False
        grids = [torch.cat(part.grid_priors(part.featmap_sizes, device='cpu')) for part in (one, other)]
        return grids[0].shape == grids[1].shape and torch.allclose(grids[0], grids[1], atol=1e-3)
    return type(one) is type(other) and repr(vars(one)) == repr(vars(other))


def _leaves(key: str, before: Any, now: Any) -> Iterator[str]:
    """Yield a description of each difference between two settings, at the innermost keys."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*before, *now)):
            if before.get(name) != now.get(name):
                yield from _leaves(f'{key}.{name}', before.get(name), now.get(name))
    else:
        yield f'{key} was {before}, is {now}'


def _other_classes(cfg: Config, meta: Mapping[str, Any], splits: Sequence[str]) -> Iterator[str]:
    """Yield a description of each dataset whose class names are not those of the checkpoint."""
    kept = meta.get('dataset_meta')
    trained = (kept.get('classes') if isinstance(kept, dict) else None) or meta.get('CLASSES')
    for key, dataset in datasets_of_splits(cfg, splits):
        classes = (dataset.get('metainfo') or {}).get('classes')
        if classes is None:
            classes = own_classes(dataset)
        if isinstance(classes, (list, tuple)) and isinstance(trained, (list, tuple)) and list(classes) != list(trained):
            differing = [f'{a} was {b}' for a, b in zip(classes, trained) if a != b]
            text = ', '.join(differing[:LISTED]) or f'{len(trained)} were trained, {len(classes)} are configured'
            yield f'the classes of {key}: {text}'
