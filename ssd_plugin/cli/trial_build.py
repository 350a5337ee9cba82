"""Trial construction of what a config describes, before a run begins and writes to its log."""

import copy
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOG_PROCESSORS,
    METRICS,
    MODELS,
    PARAM_SCHEDULERS,
    VISUALIZERS,
)
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ssd_plugin.compat import managers_kept
from ssd_plugin.configs import pipeline_steps
from ssd_plugin.errors import UserError, first_line
from ssd_plugin.models.feature_levels import channels_of, check_channels
from ssd_plugin.models.heads import MultiBoxHead

from .config_keys import check_sections, unregistered
from .config_sections import registered
from .signatures import settings_of

# Of a dataset that is not read yet.
_LENGTH = 1000
# The keys of a dataloader that DataLoader itself takes.
_BUILT = ('dataset', 'sampler', 'batch_sampler', 'collate_fn', 'worker_init_fn', 'num_batch_per_epoch')


def try_building(cfg: Config, splits: Sequence[str]) -> None:
    """Build the parts of a config as a run would, without reading data, weights or writing anything.

    Args:
        cfg: Complete config.
        splits: Splits that the run needs, of ``'train'``, ``'val'`` and ``'test'``.

    Raises:
        UserError: A part cannot be built, or parts do not fit together; the message names the key.
    """
    with _without_traces(), DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        model = _build(cfg, 'model', MODELS.build, cfg.model)
        for split in splits:
            _try_loader(cfg, f'{split}_dataloader')
        for split in set(splits) & {'val', 'test'}:
            for key, metric in _metrics(cfg, split):
                # COCO's annotations are read when the metric is built.
                settings = {name: None if name == 'ann_file' else value for name, value in metric.items()}
                _build(cfg, key, METRICS.build, settings)
        if 'train' in splits:
            _try_training(cfg, model)
        if cfg.get('visualizer'):
            # Hooks ask for it. Without a folder it has no backends, which would write files.
            _build(cfg, 'visualizer', VISUALIZERS.build, {**cfg.visualizer, 'save_dir': None})
        hooks = {
            f'default_hooks.{name}': hook for name, hook in (cfg.get('default_hooks') or {}).items() if hook is not None
        }
        hooks.update(_items('custom_hooks', cfg.get('custom_hooks')))
        for key, hook in hooks.items():
            _build(cfg, key, HOOKS.build, {name: hook[name] for name in hook if name != 'priority'})
        if cfg.get('log_processor'):
            _build(cfg, 'log_processor', LOG_PROCESSORS.build, {'type': 'LogProcessor', **cfg.log_processor})
        if isinstance(model, SingleStageDetector) and isinstance(model.bbox_head, MultiBoxHead):
            _check_levels(cfg, model, splits)


@contextmanager
def _without_traces() -> Iterator[None]:
    """Keep the log, the terminal, the random numbers and MMEngine's global objects as they are."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with managers_kept(), torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(level)


def _build(cfg: Config, key: str, build: Callable[..., Any], settings: Any, *args: Any, **kwargs: Any) -> Any:
    """Build a part of a config from a copy of its settings.

    Raises:
        UserError: It cannot be built. The message names the key of the innermost dict that could not.
    """
    try:
        return build(copy.deepcopy(settings), *args, **kwargs)
    except UserError:
        raise
    except Exception as error:
        check_sections(cfg, thorough=True)
        raise UserError(explain(error, key, settings)) from error


def explain(error: Exception, key: str, settings: Any) -> str:
    """Return a message for an error in building a part of a config.

    Args:
        error: The error.
        key: Dotted key of the part.
        settings: Its settings.
    """
    failed = _innermost(error.__traceback__)
    if failed is not None:
        parts = dict(_dicts(key, settings))
        # The options of augment are those of a step of the pipeline when it is built.
        options = {
            place: part
            for place, part in parts.items()
            if place.endswith('.augment') and all(failed.get(name) == value for name, value in part.items())
        }
        key = next((place for place, part in parts.items() if part == failed), next(iter(options), key))
        name = failed.get('type')
        if 'type' not in failed:
            return f"{key} lacks the key 'type'"
        if isinstance(error, KeyError) and isinstance(name, str) and 'is not in the' in str(error):
            if name.rpartition('.')[2] not in registered():
                return unregistered(key, name)
            return f'{key}.type={name!r} is not what belongs there: {first_line(error).split(". ")[0]}'
    if isinstance(error, KeyError) and ' ' not in first_line(error):
        return f'{key} lacks the key {first_line(error)!r}'
    return f'{key}: {first_line(error)}'


def _innermost(traceback: TracebackType | None) -> dict[str, Any] | None:
    """Return the config of the innermost object whose building an error has ended."""
    failed = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_name == 'build_from_cfg':
            found = traceback.tb_frame.f_locals.get('cfg')
            failed = found if isinstance(found, dict) else failed
        traceback = traceback.tb_next
    return failed


def _dicts(key: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the dicts inside a value of a config, inner ones first, with their dotted keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for name, item in items:
        yield from _dicts(f'{key}.{name}', item)
    if isinstance(value, dict):
        yield key, value


def _items(key: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of a section that is a dict or a list of dicts, with their keys."""
    several = isinstance(value, (list, tuple))
    for index, item in enumerate(value) if several else [(0, value)]:
        place = f'{key}.{index}' if several else key
        if isinstance(item, dict):
            yield place, item
        elif several or item is not None:
            raise UserError(f'{place} must be a dict, got {item!r}')


def _metrics(cfg: Config, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the metrics of a split, whose evaluator is a metric, a list of them, or a dict with ``metrics``."""
    key, settings = f'{split}_evaluator', cfg[f'{split}_evaluator']
    if isinstance(settings, dict) and 'metrics' in settings:
        key, settings = f'{key}.metrics', settings['metrics']
    for place, metric in _items(key, settings):
        if 'type' not in metric:
            raise UserError(f"{place} lacks the key 'type'")
        yield place, metric


def _try_loader(cfg: Config, key: str) -> None:
    """Build the dataset of a dataloader without reading it, the samplers, and the dataloader."""
    settings = cfg[key]
    dataset = _lazy(settings['dataset'])
    if dataset is not None:
        _build(cfg, f'{key}.dataset', DATASETS.build, dataset)
    data = range(_LENGTH)
    sampler = _build(
        cfg, f'{key}.sampler', DATA_SAMPLERS.build, settings['sampler'], default_args=dict(dataset=data, seed=0)
    )
    options = {name: settings[name] for name in settings if name not in _BUILT}
    if settings.get('batch_sampler'):
        given = dict(sampler=sampler, batch_size=options.pop('batch_size', 1))
        batches = _build(
            cfg, f'{key}.batch_sampler', DATA_SAMPLERS.build, settings['batch_sampler'], default_args=given
        )
        options['batch_sampler'] = batches
    _build(cfg, key, lambda given: DataLoader(TensorDataset(torch.empty(_LENGTH)), **given), options)


def _lazy(dataset: Any) -> dict[str, Any] | None:
    """Return the config of a dataset that reads its annotations later; ``None`` if its class reads them at once."""
    target = dataset.get('type')
    target = registered().get(target.rpartition('.')[2]) if isinstance(target, str) else target
    if target is None or 'lazy_init' not in settings_of(target).parameters:
        return None
    lazy = {**dataset, 'lazy_init': True}
    if isinstance(dataset.get('dataset'), dict):
        lazy['dataset'] = _lazy(dataset['dataset'])
        return lazy if lazy['dataset'] is not None else None
    if isinstance(dataset.get('datasets'), (list, tuple)):
        lazy['datasets'] = [_lazy(inner) for inner in dataset['datasets'] if isinstance(inner, dict)]
        return lazy if all(inner is not None for inner in lazy['datasets']) else None
    return lazy


def _try_training(cfg: Config, model: nn.Module) -> None:
    """Build the optimizer and the schedules."""
    settings = cfg.optim_wrapper
    # Those of several optimizers are built by a constructor that the user has chosen.
    if not isinstance(settings, dict) or ('optimizer' not in settings and 'constructor' in settings):
        return
    settings = {'type': 'OptimWrapper', **settings}
    wrapper = _build(cfg, 'optim_wrapper', lambda given: build_optim_wrapper(model, given), settings)
    if not isinstance(wrapper, OptimWrapper):
        return
    iterations = cfg.train_cfg.get('max_iters')
    for key, scheduler in _items('param_scheduler', cfg.get('param_scheduler')):
        if 'type' not in scheduler:
            raise UserError(f"{key} lacks the key 'type'")
        given = dict(optimizer=wrapper, epoch_length=_LENGTH)
        # As Runner does, which knows the number of epochs only when it has read the data.
        end = dict(end=_LENGTH if scheduler.get('by_epoch', True) or iterations is None else iterations)
        _build(cfg, key, PARAM_SCHEDULERS.build, {**end, **scheduler}, default_args=given)


def _check_levels(cfg: Config, model: SingleStageDetector, splits: Sequence[str]) -> None:
    """Check that feature maps, head and priors agree at the input sizes of the pipelines.

    Raises:
        UserError: They do not.
    """
    network = model.to('meta').eval()
    colors = _colors(cfg, splits)
    for key, (width, height) in _input_sizes(cfg, splits):
        dtype = next((parameter.dtype for parameter in network.parameters()), torch.float32)
        images = torch.zeros(1, colors, height, width, dtype=dtype, device='meta')
        where = f'at an input of {width}x{height}{" in gray" if colors == 1 else ""} ({key})'
        maps = _run(network.backbone, images, f'model.backbone {where}')
        giver = 'model.backbone'
        try:
            if network.with_neck:
                check_channels(giver, maps, 'model.neck.in_channels', getattr(network.neck, 'in_channels', None))
                text = f'model.neck does not take the channels {channels_of(maps)} that model.backbone gives {where}'
                maps = _run(network.neck, maps, text)
                giver = 'model.neck'
            check_channels(giver, maps, 'model.bbox_head.in_channels', network.bbox_head.in_channels)
        except ValueError as error:
            raise UserError(first_line(error)) from error
        sizes = [tuple(feature.shape[-2:]) for feature in maps]
        try:
            model.bbox_head.prior_generator.grid_priors(sizes, device='cpu')
        except (ValueError, ArithmeticError) as error:
            raise UserError(f'{key} is {(width, height)}: {first_line(error)}') from error


def _colors(cfg: Config, splits: Sequence[str]) -> int:
    """Return the number of channels of the images that the pipelines give.

    Raises:
        UserError: The pipelines of the splits do not agree, or the data preprocessor expects others.
    """
    gray = {
        f'{split}_dataloader': any(
            isinstance(step.transform, dict) and str(step.transform.get('type')).rpartition('.')[2] == 'ToGray'
            for step in pipeline_steps(cfg[f'{split}_dataloader'].dataset, first_only=True)
        )
        for split in splits
    }
    if not any(gray.values()):
        return 3
    if not all(gray.values()):
        one, other = (min(key for key, found in gray.items() if found is kind) for kind in (True, False))
        raise UserError(f'the pipeline of {one} has a step ToGray, and that of {other} has none')
    settings = cfg.model.get('data_preprocessor') or {}
    for name in ('mean', 'std'):
        if len(settings.get(name) or [0]) != 1:
            raise UserError(f'model.data_preprocessor.{name} must be one value for gray images, got {settings[name]}')
    for name in ('bgr_to_rgb', 'rgb_to_bgr'):
        if settings.get(name):
            raise UserError(f'model.data_preprocessor.{name} must be False for gray images, which have one channel')
    return 1


def _run(part: nn.Module, inputs: Any, what: str) -> Sequence[torch.Tensor]:
    try:
        return part(inputs)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        raise UserError(f'{what}: {first_line(error)}') from error


def _input_sizes(cfg: Config, splits: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the (width, height) of the network's input with the key that sets it, where images have one size."""
    for split in splits:
        key = f'{split}_dataloader.dataset'
        scales = [
            step.transform['scale']
            for step in pipeline_steps(cfg[f'{split}_dataloader'].dataset, first_only=True)
            if isinstance(step.transform, dict) and 'scale' in step.transform and not step.transform.get('keep_ratio')
        ]
        scale = scales[-1] if scales else None
        if isinstance(scale, (list, tuple)) and len(scale) == 2 and all(isinstance(side, int) for side in scale):
            yield f'the scale of the pipeline of {key}', (scale[0], scale[1])
