"""Reading of configs, moving of their paths, and iteration over their datasets and pipeline steps.

The same iteration serves the datasets of a config, which are dicts, and the objects that are built from it.
"""

import ast
import inspect
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from torch import Tensor

from ssd_plugin.compat import CONFIG_SCOPE, config_names, resolve_config_path
from ssd_plugin.errors import UserError, first_line, nearest

SPLITS = ('train', 'val', 'test')

# A dataset, or a step of a pipeline: its config, or an object of any class of the host's registries.
Dataset = Any
Transform = Any


# Keys of a config that Runner reads, by its arguments or from its cfg, and those that are read before it is built.
# Other keys are variables, from which the config computes its settings.
RUNNER_KEYS = frozenset(
    {
        *(set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}),
        *('model_wrapper_cfg', 'find_unused_parameters', 'sync_bn', 'compile', 'runner_type', 'custom_imports'),
        *('tta_model', 'tta_pipeline'),
    }
)


def read_config(path: str, options: dict[str, Any] | None = None, new_keys: bool = False) -> Config:
    """Return the config in a file with ``--cfg-options`` merged in.

    Args:
        path: Path of the file, or ``PACKAGE::NAME`` for a config that comes with a package, such as
            ``ssd_plugin::ssd300_voc.py``.
        options: Settings by dotted key. ``data_root`` moves every path of the config that lies below its ``data_root``.
        new_keys: Accept options that nothing reads.

    Raises:
        UserError: The file is missing or is not a config, or an option cannot be merged or has no effect.
    """
    try:
        cfg = Config.fromfile(resolve_config_path(path))
    except FileNotFoundError as error:
        raise UserError(f'config {path}: {error}{_similar_files(path)}') from error
    except Exception as error:
        # A config is a program, which may raise anything.
        raise UserError(f'config {path} cannot be read: {type(error).__name__}: {first_line(error)}') from error
    if options:
        old_root = cfg.get('data_root')
        for key in () if new_keys else options:
            _check_option(key, cfg)
        for key, value in options.items():
            try:
                cfg.merge_from_dict({key: value})
            except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
                raise UserError(f'--cfg-options {key}: {first_line(error)}') from error
        if 'data_root' in options and old_root:
            new_root = os.path.join(options['data_root'], '')
            for key in list(cfg):
                cfg[key] = _moved(cfg[key], old_root, new_root)
    return cfg


def _similar_files(path: str) -> str:
    """Return the end of the message for a missing config: similar names in its folder and in the package."""
    if '::' in path or os.path.exists(path):
        # The message names those of the package, or a base is missing.
        return ''
    folder = Path(path).parent
    names = {file.name: str(file) for file in sorted(folder.glob('*.py'))}
    for shipped in config_names():
        names.setdefault(Path(shipped).name, f'{CONFIG_SCOPE}::{shipped}')
    close = get_close_matches(f'{Path(path).stem}.py', names, n=3)
    return f'; did you mean {" or ".join(names[name] for name in close)}?' if close else ''


def _check_option(key: str, cfg: Config) -> None:
    """Check that something reads the top-level key of an option.

    Raises:
        UserError: Nothing does; the message names the nearest key.
    """
    top = key.split('.')[0]
    if top in RUNNER_KEYS or top == 'data_root':
        return
    # The last part of a key is often remembered, and where it belongs is not.
    places = [place for place, value in dotted_settings(cfg) if place.endswith(f'.{key}')]
    problem = f'there is no key {top!r}'
    if top in cfg:
        problem = 'the config has computed its settings from this variable already'
        places = [place for place, value in dotted_settings(cfg) if value is not None and value == cfg[top]] or places
    places.sort(key=len)
    hint = f'; did you mean {" or ".join(places[:3])}?' if places else nearest(top, {*RUNNER_KEYS, 'data_root'})
    raise UserError(f'--cfg-options {key} would have no effect: {problem}{hint} (--new-keys accepts it)')


def dotted_settings(value: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of the settings, at any depth, that Runner reads of a config."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, Config):
        items = ((name, item) for name, item in value.items() if name in RUNNER_KEYS)
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for name, item in items:
        key = f'{prefix}{name}'
        if not isinstance(value, (list, tuple)):
            yield key, item
        yield from dotted_settings(item, f'{key}.')


def _moved(value: Any, old: str, new: str) -> Any:
    """Return a value of a config with every string below the folder ``old`` moved to ``new``.

    A config computes its paths from ``data_root`` when it is read, before the options are merged in.
    """
    if isinstance(value, dict):
        return ConfigDict({key: _moved(item, old, new) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, old, new) for item in value)
    if isinstance(value, str) and value.startswith(old):
        return new + value[len(old) :]
    return value


def drop_pretrained(cfg: Any) -> None:
    """Remove pretrained weights from the config of a model, in place.

    These are ``init_cfg`` with a ``checkpoint``, and ``checkpoint`` and ``pretrained`` of a part itself.
    """
    for part in _dicts(cfg):
        for key in ('checkpoint', 'pretrained'):
            if 'type' in part and part.get(key):
                part[key] = None
        init_cfg = part.get('init_cfg')
        if isinstance(init_cfg, dict) and 'checkpoint' in init_cfg:
            part['init_cfg'] = None


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all dicts inside a value of a config, outermost first."""
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from _dicts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _dicts(item)


def leaf_datasets(dataset: Dataset, key: str = '') -> Iterator[tuple[str, Dataset]]:
    """Yield the datasets inside wrappers such as ``ConcatDataset``, ``RepeatDataset`` or ``MultiImageMixDataset``.

    Args:
        dataset: Config of a dataset, or a built dataset.
        key: Config key of ``dataset``.

    Yields:
        Config key and dataset, for each dataset that wraps no other.
    """
    for node in _walk(dataset, key):
        if not node.children:
            yield node.key, node.dataset


def datasets_of_splits(cfg: Config, splits: Sequence[str] = SPLITS) -> Iterator[tuple[str, Dataset]]:
    """Yield the config key and the config of each dataset of some splits, without wrappers.

    Args:
        cfg: Complete config.
        splits: Some of ``'train'``, ``'val'`` and ``'test'``; those without a dataloader are skipped.
    """
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if loader:
            yield from leaf_datasets(loader['dataset'], f'{split}_dataloader.dataset')


class PipelineStep(NamedTuple):
    """A transform in the pipeline of a dataset.

    Attributes:
        transform: The transform, or its config.
        source: Dataset from which a step that mixes images takes the others; ``None`` for the pipeline of a dataset
            that wraps no other.
    """

    transform: Transform
    source: Dataset | None


def pipeline_steps(dataset: Dataset, first_only: bool = False) -> Iterator[PipelineStep]:
    """Yield the steps of all pipelines of a dataset, those of the innermost dataset first.

    Args:
        dataset: Config of a dataset, or a built dataset, in wrappers or not.
        first_only: Follow only the first of several concatenated datasets: these are the steps that its images pass
            through, in order.
    """
    for node in _walk(dataset, first_only=first_only):
        source = node.children[0][1] if node.children else None
        for transform in _transforms(_fields(node.dataset).get('pipeline')):
            yield PipelineStep(transform, source)


def _transforms(pipeline: Any) -> Iterable[Transform]:
    """Return the steps of a pipeline: a list in configs and MultiImageMixDataset, one callable in other datasets."""
    if pipeline is None:
        return ()
    if isinstance(pipeline, (list, tuple)):
        return pipeline
    # The Compose classes of MMEngine, MMCV and torchvision have no common base but keep their steps by this name. Any
    # other callable is a step by itself.
    steps = getattr(pipeline, 'transforms', None)
    return steps if isinstance(steps, (list, tuple)) else (pipeline,)


class _Node(NamedTuple):
    """A dataset with its config key and the (key, dataset) pairs directly inside it; none inside a leaf."""

    key: str
    dataset: Dataset
    children: list[tuple[str, Dataset]]


def _walk(dataset: Dataset, key: str = '', first_only: bool = False) -> Iterator[_Node]:
    """Yield a dataset and all datasets inside it, inner ones before their wrapper."""
    fields, prefix = _fields(dataset), f'{key}.' if key else ''
    several, single, in_config = fields.get('datasets'), fields.get('dataset'), isinstance(dataset, dict)
    children: list[tuple[str, Dataset]] = []
    if isinstance(several, (list, tuple)) and all(_is_dataset(child, in_config) for child in several):
        children = [(f'{prefix}datasets.{index}', child) for index, child in enumerate(several)]
        children = children[:1] if first_only else children
    elif _is_dataset(single, in_config):
        children = [(f'{prefix}dataset', single)]
    for child_key, child in children:
        yield from _walk(child, child_key, first_only)
    yield _Node(key, dataset, children)


def _is_dataset(value: Any, in_config: bool) -> bool:
    """Return whether a value is a dataset, not names or data that a dataset without a wrapper keeps as an attribute.

    Args:
        value: Value of ``dataset``, or an item of ``datasets``.
        in_config: Whether it comes from a config, where a dataset may be a dict.
    """
    if isinstance(value, dict):
        return in_config
    # Datasets have no common base. Text, numbers and None have no attributes.
    return hasattr(value, '__dict__') and not isinstance(value, (Sequence, np.ndarray, Tensor))


def _fields(dataset: Dataset) -> Mapping[str, Any]:
    """Return the settings of a dataset by name: its config, or the attributes of the object.

    Wrappers keep the datasets inside them in attributes with the names of their config keys.
    """
    if isinstance(dataset, dict):
        return dataset
    # Its own attributes only: a wrapper may pass on those of the dataset inside it. Objects with slots have none.
    return getattr(dataset, '__dict__', {})


def settings_of_text(text: Any) -> dict[str, Any]:
    """Return the settings in the text of a config, as MMEngine keeps it in a checkpoint.

    The text is not executed, since a checkpoint may come from anywhere; what is not a literal or ``dict(...)`` is left
    out.
    """
    if not isinstance(text, str):
        return {}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = _literal(node.value)
            except (ValueError, TypeError):
                continue
    return found


def _literal(node: ast.expr) -> Any:
    """Return the value of an expression of literals and calls of ``dict``.

    Raises:
        ValueError: It has other parts.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        return {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(key): _literal(value) for key, value in zip(node.keys, node.values) if key}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    return ast.literal_eval(node)
