"""Scale the schedule of a config to another length of training (``--max-iters``, ``--epochs``)."""

import math
from collections.abc import Iterator
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ssd_plugin.errors import UserError

from .launchers import world_size

# Schedules that lower a value at their begin and raise it again until their end. In a single step they only lower it.
_WARM_UPS = ('Linear', 'Constant', 'QuadraticWarmup')
# Options of schedules, in steps.
_LENGTHS = ('step_size', 'T_max', 'total_steps', 'milestones', 'periods')
# MMEngine warns about larger ones.
_MAX_EMA_MOMENTUM = 0.5


def scale_schedule(cfg: Config, max_iters: int | None = None, epochs: int | None = None) -> str:
    """Change the length of a training, and in proportion all that its config states in iterations or epochs.

    These are the intervals of validation and checkpoints, begin, end, milestones and periods of ``param_scheduler``,
    with the warm-up, the time for which the backbone is frozen, and the momentum of an EMA, whose memory is a number of
    iterations. A warm-up that would be shorter than two steps is removed. Schedulers that follow a metric and the
    interval of the log do not change.

    Where the loop counts iterations, all of these are in iterations afterwards. To convert epochs, the dataset is built
    for its size.

    Args:
        cfg: Complete config, which is changed.
        max_iters: New number of iterations, or ``None``.
        epochs: New number of epochs, if ``max_iters`` is ``None``.

    Returns:
        A line that says what has changed.

    Raises:
        UserError: The loop does not count iterations, or a value of the config is not a number.
    """
    return _Scaling(cfg, max_iters, epochs).apply()


class _Scaling:
    """The change of a config.

    Args:
        cfg: The config.
        max_iters: New number of iterations, or ``None``.
        epochs: New number of epochs, if ``max_iters`` is ``None``.
    """

    def __init__(self, cfg: Config, max_iters: int | None, epochs: int | None) -> None:
        self.cfg = cfg
        self.changes: list[str] = []
        self._length: int | None = None
        loop = cfg.train_cfg
        # A loop of MMEngine that sees its dataloader end.
        self.by_epoch = 'Epoch' in str(loop.get('type', '')) or ('type' not in loop and bool(loop.get('by_epoch')))
        if self.by_epoch:
            if epochs is None:
                raise UserError(
                    '--max-iters: train_cfg counts epochs. Give --epochs, or set train_cfg.type to StreamTrainLoop'
                )
            self.unit, self.old, self.new = 'epochs', _number(loop, 'max_epochs', 'train_cfg'), epochs
        else:
            lengths = []
            if loop.get('max_iters') is not None:
                lengths.append(_number(loop, 'max_iters', 'train_cfg'))
            if loop.get('max_epochs') is not None:
                lengths.append(_number(loop, 'max_epochs', 'train_cfg') * self.epoch_length)
            if not lengths:
                raise UserError('train_cfg needs max_iters or max_epochs')
            self.unit, self.old = 'iterations', min(lengths)
            self.new = max_iters if epochs is None else epochs * self.epoch_length
        self.factor = self.new / self.old

    @property
    def epoch_length(self) -> int:
        """Iterations of an epoch."""
        if self._length is None:
            self._length = _epoch_length(self.cfg)
        return self._length

    def apply(self) -> str:
        """Change the config, and return a line about it."""
        self._scale_loop()
        checkpoint = (self.cfg.get('default_hooks') or {}).get('checkpoint') or {}
        # MMEngine's default of by_epoch saves a loop of iterations at its end only.
        if self.by_epoch or not checkpoint.get('by_epoch', True):
            self._scale(checkpoint, 'interval', 'default_hooks.checkpoint', self.factor)
        if self.cfg.get('param_scheduler') is not None:
            self.cfg.param_scheduler = self._scaled_schedulers(self.cfg.param_scheduler, 'param_scheduler')
        hooks = [(f'default_hooks.{name}', hook) for name, hook in (self.cfg.get('default_hooks') or {}).items()]
        hooks += [(f'custom_hooks.{index}', hook) for index, hook in enumerate(self.cfg.get('custom_hooks') or [])]
        for where, hook in hooks:
            if hook and hook.get('type') == 'EMAHook' and 'momentum' in hook:
                momentum = min(_number(hook, 'momentum', where) / self.factor, _MAX_EMA_MOMENTUM)
                self._set(hook, 'momentum', momentum, where)
            if hook and hook.get('type') == 'FreezeBackboneHook' and hook.get('iterations'):
                self._scale(hook, 'iterations', where, self.factor)
        return (
            f'the training has {self.new} {self.unit} instead of {self.old} (x{self.factor:.3g}); scaled with it: '
            f'{", ".join(self.changes) or "nothing"}'
        )

    def _scale_loop(self) -> None:
        loop, factor = self.cfg.train_cfg, self.factor
        if self.by_epoch:
            loop.max_epochs = self.new
        else:
            if loop.pop('max_epochs', None) is not None:
                # val_begin counts from 1: the first iteration of that epoch.
                if 'val_begin' in loop:
                    loop.val_begin = (_number(loop, 'val_begin', 'train_cfg') - 1) * self.epoch_length + 1
                factor *= self.epoch_length
            loop.max_iters = self.new
        self._scale(loop, 'val_begin', 'train_cfg', self.factor)
        self._scale(loop, 'val_interval', 'train_cfg', factor)
        if loop.get('dynamic_intervals'):
            pairs = [
                tuple(_scaled(value, factor, 'train_cfg.dynamic_intervals') for value in _listed(pair))
                for pair in _listed(loop.dynamic_intervals)
            ]
            self._set(loop, 'dynamic_intervals', pairs, 'train_cfg')

    def _scaled_schedulers(self, schedulers: Any, where: str) -> Any:
        """Return the schedulers of a config, scaled: one, a list, or those of several optimizers by name."""
        if isinstance(schedulers, dict) and 'type' not in schedulers:
            return {name: self._scaled_schedulers(value, f'{where}.{name}') for name, value in schedulers.items()}
        listed = list(schedulers) if isinstance(schedulers, (list, tuple)) else [schedulers]
        return [s for index, s in enumerate(listed) if self._scale_scheduler(s, f'{where}.{index}')]

    def _scale_scheduler(self, scheduler: Any, where: str) -> bool:
        """Scale a scheduler, and return whether it still does something."""
        if not isinstance(scheduler, dict) or 'ReduceOnPlateau' in str(scheduler.get('type')):
            return True
        factor = self.factor
        if scheduler.get('by_epoch', True) and not self.by_epoch:
            if not scheduler.get('convert_to_iter_based'):
                # A loop of iterations never steps it.
                return True
            factor *= self.epoch_length
            del scheduler['convert_to_iter_based']
            scheduler['by_epoch'] = False
        for key in _LENGTHS:
            self._scale(scheduler, key, where, factor)
        if 'begin' in scheduler:
            self._set(scheduler, 'begin', round(_number(scheduler, 'begin', where, 0) * factor), where)
        if scheduler.get('end') is None:
            return True
        begin, end = scheduler.get('begin', 0), round(_number(scheduler, 'end', where) * factor)
        if end - begin < 2 and str(scheduler.get('type')).startswith(_WARM_UPS):
            self.changes.append(f'{where} removed, a warm-up of less than 2 steps')
            return False
        self._set(scheduler, 'end', max(end, begin + 1), where)
        return True

    def _scale(self, options: dict[str, Any], key: str, where: str, factor: float) -> None:
        """Scale an option, a number or a list of numbers, if it is given; the result is 1 or more."""
        value = options.get(key)
        if value is None:
            return
        name = f'{where}.{key}'
        if isinstance(value, (list, tuple)):
            self._set(options, key, [_scaled(item, factor, name) for item in value], where)
        else:
            self._set(options, key, _scaled(value, factor, name), where)

    def _set(self, options: dict[str, Any], key: str, value: Any, where: str) -> None:
        old = options[key]
        options[key] = value
        if old != value:
            self.changes.append(f'{where}.{key} {_text(old)} -> {_text(value)}')


def _epoch_length(cfg: Config) -> int:
    """Return the number of iterations of an epoch."""
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    loader = cfg.train_dataloader
    dataset = DATASETS.build(loader.dataset)
    if hasattr(dataset, 'full_init'):
        # MMEngine's datasets may be initialized lazily.
        dataset.full_init()
    images = math.ceil(len(dataset) / world_size(cfg.get('launcher', 'none')))
    batch = _number(loader, 'batch_size', 'train_dataloader')
    return max(1, images // batch if loader.get('drop_last') else math.ceil(images / batch))


def _number(options: dict[str, Any], key: str, where: str, least: float = 1e-9) -> Any:
    """Return a number of the config.

    Raises:
        UserError: It is missing, not a number, or too small.
    """
    return _checked(options.get(key), f'{where}.{key}', least)


def _checked(value: Any, name: str, least: float = 1e-9) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < math.inf:
        raise UserError(f'{name} must be a {"positive " if least else ""}number, got {value!r}')
    return value


def _scaled(value: Any, factor: float, name: str) -> int:
    return max(1, round(_checked(value, name, 0) * factor))


def _listed(value: Any) -> Iterator[Any]:
    if not isinstance(value, (list, tuple)):
        raise UserError(f'train_cfg.dynamic_intervals must be a list of pairs, got {value!r}')
    return iter(value)


def _text(value: Any) -> str:
    return f'{value:.3g}' if isinstance(value, float) else str(value)
