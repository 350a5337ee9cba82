"""Sections of a config: which class or function reads each, so that its keys and values can be checked."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import mmengine.registry
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, LogProcessor, TestLoop, ValLoop
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from ssd_plugin.configs import SPLITS
from ssd_plugin.datasets.transforms.fused_ssd_augment import FusedSSDAugment


class Section(NamedTuple):
    """A dict of a config that a class or function reads.

    Attributes:
        key: Dotted key.
        settings: The dict.
        target: The class or function; ``None`` if its ``type`` is unknown.
        implied: Keys that are read before ``target`` is called.
    """

    key: str
    settings: dict[str, Any]
    target: Callable[..., Any] | None
    implied: tuple[str, ...] = ()


# Sections without a type, as MMEngine 0.10.7 reads them: Runner.setup_env, Runner.scale_lr, set_multi_processing,
# DefaultOptimWrapperConstructor, and the test_cfg of MultiBoxHead.


def _env_cfg(
    cudnn_benchmark: bool = False,
    mp_cfg: dict | None = None,
    dist_cfg: dict | None = None,
    resource_limit: int = 4096,
) -> None: ...


def _mp_cfg(mp_start_method: Literal['fork', 'spawn', 'forkserver'] = 'fork', opencv_num_threads: int = 0) -> None: ...


def _auto_scale_lr(enable: bool = False, base_batch_size: int = 16) -> None: ...


def _randomness(seed: int | None = None, diff_rank_seed: bool = False, deterministic: bool = False) -> None: ...


def _paramwise_cfg(
    custom_keys: dict | None = None,
    bias_lr_mult: float | None = None,
    bias_decay_mult: float | None = None,
    norm_decay_mult: float | None = None,
    dwconv_decay_mult: float | None = None,
    flat_decay_mult: float | None = None,
    dcn_offset_lr_mult: float | None = None,
    bypass_duplicate: bool = False,
) -> None: ...


def _multibox_test_cfg(
    score_thr: float = 0.0,
    nms_pre: int = -1,
    nms: dict | None = None,
    max_per_img: int = -1,
    min_bbox_size: float = -1,
    best_class_only: bool = False,
    tiles: dict | None = None,
) -> None: ...


def _tiles(
    size: tuple[int, int] = (300, 300),
    overlap: float = 0.25,
    input_size: tuple[int, int] = (300, 300),
    batch_size: int = 8,
) -> None: ...


def _nms(type: Literal['nms'] = 'nms', iou_threshold: float = 0.5) -> None: ...  # noqa: A002


_LOOPS = {'train': IterBasedTrainLoop, 'val': ValLoop, 'test': TestLoop}
# Keys that build_dataloader reads itself.
_LOADER_KEYS = ('dataset', 'sampler', 'batch_sampler', 'num_batch_per_epoch', 'disable_subprocess_warning')


def registered() -> dict[str, Any]:
    """Return the registered classes and functions by name. No name is in two registries."""
    register_all_modules(init_default_scope=False)
    found: dict[str, Any] = {}
    for root in vars(mmengine.registry).values():
        if isinstance(root, Registry):
            for registry in (root, *root.children.values()):
                registry.import_from_location()
                found.update(registry.module_dict)
    return found


def sections(cfg: Config) -> Iterator[Section]:
    """Yield the sections of a config that can be checked, outer ones before those inside them."""
    known = registered()
    for name, function in (('env_cfg', _env_cfg), ('auto_scale_lr', _auto_scale_lr), ('randomness', _randomness)):
        if isinstance(cfg.get(name), dict):
            yield Section(name, cfg[name], function)
    if isinstance(cfg.get('env_cfg'), dict) and isinstance(cfg.env_cfg.get('mp_cfg'), dict):
        yield Section('env_cfg.mp_cfg', cfg.env_cfg.mp_cfg, _mp_cfg)
    for split in SPLITS:
        yield from _loader(cfg, f'{split}_dataloader', known)
        yield from _loop(cfg, split, known)
        yield from _inside(f'{split}_evaluator', cfg.get(f'{split}_evaluator'), known)
    yield from _inside('model', cfg.get('model'), known)
    yield from _inside('optim_wrapper', cfg.get('optim_wrapper'), known)
    yield from _inside('param_scheduler', cfg.get('param_scheduler'), known)
    for name in ('default_hooks', 'custom_hooks'):
        yield from _inside(name, cfg.get(name), known, 'priority')
    processor = cfg.get('log_processor')
    if isinstance(processor, dict) and 'type' not in processor:
        yield Section('log_processor', processor, LogProcessor)
    yield from _inside('log_processor', processor, known)
    yield from _inside('visualizer', cfg.get('visualizer'), known)


def _loader(cfg: Config, key: str, known: dict[str, Any]) -> Iterator[Section]:
    settings = cfg.get(key)
    if isinstance(settings, dict):
        yield Section(key, settings, DataLoader, _LOADER_KEYS)
        for name in (*_LOADER_KEYS, 'collate_fn', 'worker_init_fn'):
            yield from _inside(f'{key}.{name}', settings.get(name), known)


def _loop(cfg: Config, split: str, known: dict[str, Any]) -> Iterator[Section]:
    key = f'{split}_cfg'
    settings = cfg.get(key)
    if isinstance(settings, dict) and 'type' not in settings:
        by_epoch = split == 'train' and settings.get('by_epoch')
        yield Section(key, settings, EpochBasedTrainLoop if by_epoch else _LOOPS[split], ('by_epoch',))
    yield from _inside(key, settings, known)


def _inside(key: str, value: Any, known: dict[str, Any], *implied: str) -> Iterator[Section]:
    """Yield the typed dicts inside a value of a config, and the ones without a type whose reader is known.

    Args:
        key: Dotted key of the value.
        value: The value.
        known: Registered classes by name.
        implied: Keys that are read before the class is called, of the dicts at this key.
    """
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _inside(f'{key}.{index}', item, known, *implied)
        return
    if not isinstance(value, dict):
        return
    last = key.rpartition('.')[2]
    if 'type' in value:
        yield Section(key, value, _target(value['type'], known), (*implied, *_implied(key, last)))
    elif last == 'augment':
        yield Section(key, value, FusedSSDAugment)
    multibox = isinstance(value.get('bbox_head'), dict) and value['bbox_head'].get('type') == 'MultiBoxHead'
    for name, item in value.items():
        inner = f'{key}.{name}'
        if name == 'clip_grad' and isinstance(item, dict):
            by_value = item.get('type') == 'value'
            yield Section(inner, item, clip_grad_value_ if by_value else clip_grad_norm_, ('type',))
        elif name == 'paramwise_cfg' and isinstance(item, dict) and 'constructor' not in value:
            yield Section(inner, item, _paramwise_cfg)
        elif name == 'test_cfg' and multibox and isinstance(item, dict):
            yield Section(inner, item, _multibox_test_cfg)
            if isinstance(item.get('nms'), dict):
                yield Section(f'{inner}.nms', item['nms'], _nms)
            if isinstance(item.get('tiles'), dict):
                yield Section(f'{inner}.tiles', item['tiles'], _tiles)
        elif name not in ('nms', 'test_cfg', 'override', 'metainfo'):
            yield from _inside(inner, item, known, *(implied if 'type' not in value and last == key else ()))


# Keys that the builders of MMEngine and MMCV take out of a section before they call its class.
_IMPLIED = {
    'optim_wrapper': ('constructor', 'paramwise_cfg', 'optimizer'),
    'norm_cfg': ('requires_grad',),
    'init_cfg': ('override', 'layer', 'checkpoint', 'prefix', 'map_location'),
    'conv_cfg': ('deform_groups', 'fallback_on_stride'),
    'upsample_cfg': ('mode', 'scale_factor'),
}


def _implied(key: str, last: str) -> tuple[str, ...]:
    scheduler = ('convert_to_iter_based',) if key.startswith('param_scheduler') else ()
    return ('type', '_scope_', '_delete_', *_IMPLIED.get(last, ()), *scheduler)


def _target(name: Any, known: dict[str, Any]) -> Any:
    """Return the class or function of a ``type``; ``None`` for a name that is not registered."""
    if not isinstance(name, str):
        return name if callable(name) else None
    return known.get(name.rpartition('.')[2])


def own_classes(dataset: dict[str, Any]) -> Any:
    """Return the class names that the type of a dataset has without ``metainfo``; ``None`` if it has none."""
    target = registered().get(str(dataset.get('type')).rpartition('.')[2])
    return getattr(target, 'METAINFO', {}).get('classes')
