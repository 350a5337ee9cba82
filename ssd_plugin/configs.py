"""Configs: reading them, moving their paths, and walking their datasets and pipeline steps."""

import os
from collections.abc import Iterator

from mmengine.config import Config, ConfigDict

from ssd_plugin.compat import resolve_config_path
from ssd_plugin.errors import UserError


def read_config(path: str, options: dict | None = None) -> Config:
    """Return a config file with ``--cfg-options`` merged in.

    Args:
        path: Path of the file, or ``PACKAGE::NAME`` for a config that comes with a package, such as
            ``ssd_plugin::ssd300_voc.py``.
        options: Settings by dotted key. ``data_root`` moves every path of the config that lies below its ``data_root``.

    Raises:
        UserError: The file is missing or wrong.
    """
    try:
        cfg = Config.fromfile(resolve_config_path(path))
    except FileNotFoundError as error:
        raise UserError(f'config {path}: {error}') from error
    except (SyntaxError, KeyError) as error:
        raise UserError(f'config {path} cannot be read: {type(error).__name__}: {error}') from error
    if options:
        old_root = cfg.get('data_root')
        cfg.merge_from_dict(options)
        if 'data_root' in options and old_root:
            new_root = os.path.join(options['data_root'], '')
            for key in cfg.keys():
                cfg[key] = _rebase(cfg[key], old_root, new_root)
    return cfg


def _rebase(value, old: str, new: str):
    """Move every string below ``old`` below ``new``: a config computes its paths from data_root before options arrive."""
    if isinstance(value, dict):
        return ConfigDict({key: _rebase(item, old, new) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_rebase(item, old, new) for item in value)
    if isinstance(value, str) and value.startswith(old):
        return new + value[len(old) :]
    return value


def unwrapped(dataset) -> Iterator:
    """The data sets inside wrappers (repeated, concatenated, mixed) that know their annotations."""
    if hasattr(dataset, 'datasets'):
        for child in dataset.datasets:
            yield from unwrapped(child)
    elif hasattr(dataset, 'dataset'):
        yield from unwrapped(dataset.dataset)
    elif hasattr(dataset, 'get_data_info'):
        yield dataset


def leaf_datasets(dataset: dict, key: str) -> Iterator[tuple[str, dict]]:
    """(config key, config) of the data sets inside wrappers."""
    if 'datasets' in dataset:
        for index, child in enumerate(dataset['datasets']):
            yield from leaf_datasets(child, f'{key}.datasets.{index}')
    elif 'dataset' in dataset:
        yield from leaf_datasets(dataset['dataset'], f'{key}.dataset')
    else:
        yield key, dataset


def configured_datasets(cfg: Config, splits: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
    """(config key, config) of the data sets of the splits, without their wrappers."""
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if loader:
            yield from leaf_datasets(loader['dataset'], f'{split}_dataloader.dataset')
