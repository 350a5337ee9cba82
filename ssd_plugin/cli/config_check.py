"""Check of a config before a run: its keys, its values, its classes, and whether its parts can be built."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config

from ssd_plugin.configs import SPLITS, datasets_of_splits
from ssd_plugin.datasets.annotations.coco_categories import category_names
from ssd_plugin.errors import UserError, nearest

from .config_sections import own_classes
from .trial_build import try_building

_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper')
# Sections that Runner reads without asking whether they are there.
_OPTIONAL: dict[str, tuple[type, ...]] = {'env_cfg': (), 'randomness': ()}
_LEVELS = ('CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG')


def check_shape(cfg: Config, splits: Sequence[str]) -> None:
    """Check that the sections that a run needs are there, and are dicts.

    Args:
        cfg: Complete config.
        splits: Splits that the run needs, of ``'train'``, ``'val'`` and ``'test'``.

    Raises:
        UserError: One is not; the message names it.
    """
    needed = ['model']
    for split in SPLITS:
        names = _TRAINING if split == 'train' else [f'{split}_{part}' for part in ('dataloader', 'cfg', 'evaluator')]
        # Runner wants all of a split or none, also of one that is not used. A training may have no validation.
        given = any(cfg.get(name) is not None for name in names)
        needed += names if given or (split in splits and split != 'val') else ()
    for name in needed:
        if cfg.get(name) is None:
            part = ' It may be a part that others inherit' if '_base_' in str(cfg.filename) else ''
            raise UserError(f'the config {cfg.filename or ""} has no {name}, which this run needs.{part}')
        if not isinstance(cfg[name], (dict, list) if name.endswith('evaluator') else dict):
            raise UserError(f'{name} must be a dict, got {cfg[name]!r}')
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        for part in ('dataset', 'sampler') if loader else ():
            if not isinstance(loader.get(part), dict) or 'type' not in loader[part]:
                raise UserError(f'{split}_dataloader.{part} must be a dict with a type, got {loader.get(part)!r}')
        for part in ('collate_fn', 'worker_init_fn', 'batch_sampler') if loader else ():
            given = loader.get(part)
            if given is not None and not callable(given) and not (isinstance(given, dict) and given.get('type')):
                raise UserError(f'{split}_dataloader.{part} must be a dict with a type, got {given!r}')
    if cfg.get('default_scope') is None and '.' not in str(cfg.model.get('type')):
        raise UserError("the config has no default_scope; set default_scope='mmdet', whose registries know its types")
    hooks = cfg.get('default_hooks') or {}
    if not isinstance(hooks, dict):
        raise UserError(f'default_hooks must be a dict of hooks by name, got {hooks!r}')
    for name, hook in hooks.items():
        if not isinstance(hook, (dict, type(None))):
            raise UserError(f'default_hooks.{name} must be a dict or None, got {hook!r}')
    if not isinstance(cfg.get('custom_hooks') or [], list):
        raise UserError(f'custom_hooks must be a list of dicts, got {cfg.custom_hooks!r}')
    for name in ('env_cfg', 'visualizer', 'log_processor', 'randomness', 'auto_scale_lr'):
        if name in cfg and not isinstance(cfg[name], (dict, *_OPTIONAL.get(name, (type(None),)))):
            raise UserError(f'{name} must be a dict, got {cfg[name]!r}')
    if cfg.get('log_level', 'INFO') not in _LEVELS:
        raise UserError(f'log_level must be one of {", ".join(_LEVELS)}, got {cfg.log_level!r}')


def check_config(cfg: Config, splits: Sequence[str]) -> None:
    """Check the classes of a config whose data exists, and whether its parts can be built.

    Args:
        cfg: Complete config.
        splits: Splits that the run needs, of ``'train'``, ``'val'`` and ``'test'``.

    Raises:
        UserError: Something is wrong; the message names the key and the remedy.
    """
    used = [split for split in splits if cfg.get(f'{split}_dataloader') is not None]
    check_classes(cfg, used)
    try_building(cfg, used)


def check_classes(cfg: Config, splits: Sequence[str]) -> None:
    """Check the class names of the datasets against the annotations and the model.

    Raises:
        UserError: They do not agree.
    """
    numbers = dict(_class_numbers('model', cfg.model))
    for key, dataset in datasets_of_splits(cfg, splits):
        metainfo = dataset.get('metainfo') or {}
        if not isinstance(metainfo, dict):
            raise UserError(f'{key}.metainfo must be a dict, got {metainfo!r}')
        for name in metainfo:
            if name not in ('classes', 'palette') and nearest(name, ('classes', 'palette'), 0.8).startswith('; did'):
                raise UserError(f'{key}.metainfo has no key {name!r}{nearest(name, ("classes", "palette"))}')
        classes = metainfo.get('classes')
        if isinstance(classes, str) and '/' not in classes and '.' not in classes:
            raise UserError(
                f'{key}.metainfo.classes must be a tuple of names, got the text {classes!r}; a tuple of one name needs '
                f'a comma: ({classes!r},)'
            )
        if not isinstance(classes, (str, list, tuple, type(None))):
            raise UserError(f'{key}.metainfo.classes must be a tuple of names, got {classes!r}')
        if classes is None:
            classes = own_classes(dataset)
        elif isinstance(classes, (list, tuple)):
            _check_categories(key, dataset, classes)
        if isinstance(classes, (list, tuple)):
            for place, number in numbers.items():
                if number != len(classes):
                    listed = ', '.join(map(str, classes[:5])) + (', ...' if len(classes) > 5 else '')
                    raise UserError(
                        f'{place} is {number}, but {key} has {len(classes)} class(es) ({listed}). Set {place}='
                        f'{len(classes)}, or {key}.metainfo.classes'
                    )


def _class_numbers(key: str, value: Any) -> Iterator[tuple[str, int]]:
    """Yield the key and value of each number of classes of a box head."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == 'num_classes' and key.rpartition('.')[2] == 'bbox_head' and isinstance(item, int):
                yield f'{key}.{name}', item
            elif name != 'test_cfg':
                yield from _class_numbers(f'{key}.{name}', item)


def _check_categories(key: str, dataset: dict[str, Any], classes: Sequence[str]) -> None:
    """Check that the annotations of a COCO dataset have a category for each class."""
    names = category_names(dataset)
    missing = [str(name) for name in classes if name not in names] if names else []
    if missing:
        raise UserError(
            f'{key}.metainfo.classes names {missing[0]!r}, which is no category of its ann_file'
            f'{nearest(missing[0], names)}'
        )
