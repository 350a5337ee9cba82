"""Continue from the best checkpoint when the learning rate falls at a plateau."""

from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from ssd_plugin.compat import restore_checkpoint
from ssd_plugin.engine.optimizers import FiniteStepsHook, PooledOptimWrapper
from ssd_plugin.errors import UserError

from .checkpoint_integrity import why_not_resumable
from .whole_checkpoint_hook import checkpoint_hook


@HOOKS.register_module()
class ReturnToBestHook(Hook):
    """Return to the best weights so far whenever a validation lowers the learning rate.

    The PyTorch tutorial trains so (github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection, README of 2019,
    "Remarks"): when the validation loss has stopped falling, it continues at a tenth of the learning rate from the best
    checkpoint obtained so far, not from the most recent one.

    Weights, their moving average if there is one, and the state of the optimizer (momentum) become those of the best
    checkpoint, into which this hook has them saved. The reduced learning rate, the count of iterations and the position
    in the training data stay. A resumed run equals an uninterrupted one. All ranks read the checkpoint, as in resuming,
    so it must lie where all of them can. If it is missing or damaged, an error is logged, and training continues from
    the current weights. That happens, too, to a run that resumes from an older checkpoint than the newest: the best one
    of that time has been replaced.

    The config needs a schedule with a plateau, such as ``ReduceOnPlateauLR``, and a checkpoint hook that saves the
    optimizer and whose ``save_best`` and ``rule`` are the metric that the schedule monitors and its rule.
    """

    # After the schedule has lowered the rate, the EMA has given the weights back, and the best checkpoint is saved.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._rates: list[float] = []
        self._in_training = False

    def before_train(self, runner: Runner) -> None:
        """Check that the schedule and the checkpoint hook watch the same metric.

        Raises:
            UserError: They do not.
        """
        self._in_training = True
        monitored = {
            (scheduler.monitor, scheduler.rule)
            for scheduler in runner.param_schedulers or []
            if getattr(scheduler, 'need_val_args', False)
        }
        hook = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        saved = set(zip(hook.save_best, hook.rules)) if hook is not None and hook.save_best else set()
        if hook is None or len(monitored) != 1 or monitored != saved:
            raise UserError(
                'ReturnToBestHook needs a param_scheduler with a plateau, such as ReduceOnPlateauLR, and its monitor '
                f'and rule as save_best and rule of default_hooks.checkpoint; they are {sorted(monitored)} and '
                f'{sorted(saved)}'
            )
        if not hook.save_optimizer:
            raise UserError('ReturnToBestHook needs default_hooks.checkpoint.save_optimizer=True')
        if hook.best_ckpt_path is not None:
            path, reason = _best_checkpoint(hook)
            if reason is not None:
                runner.logger.error(
                    f'The best checkpoint {path} of the resumed run cannot be loaded: {reason}. A plateau returns to '
                    'the best weights only once there are better ones'
                )

    def after_train(self, runner: Runner) -> None:
        """Stop watching."""
        self._in_training = False

    def before_val_epoch(self, runner: Runner) -> None:
        """Note the learning rates before the validation."""
        if self._in_training:
            self._rates = _rates(runner.optim_wrapper)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Load the best checkpoint if the validation has lowered the learning rate."""
        if not self._in_training:
            return
        # Nothing but a plateau changes the rate during a validation.
        if not any(new < old for new, old in zip(_rates(runner.optim_wrapper), self._rates)):
            return
        path, reason = _best_checkpoint(checkpoint_hook(runner))
        if reason is not None:
            runner.logger.error(
                f'The learning rate falls, but the best checkpoint {path} cannot be loaded: {reason}. Training '
                'continues from the current weights'
            )
            return
        wrapper = runner.optim_wrapper
        # The state of the optimizer contains the rates that it had.
        settings = [{key: value for key, value in group.items() if key != 'params'} for group in wrapper.param_groups]
        checkpoint = restore_checkpoint(runner, path)
        wrapper.load_state_dict(checkpoint['optimizer'])
        for group, values in zip(wrapper.param_groups, settings):
            group.update(values)
        # Gradients accumulated so far are those of the weights that are given up.
        wrapper.zero_grad()
        if isinstance(wrapper, PooledOptimWrapper):
            wrapper.forget()
        for hook in runner.hooks:
            if isinstance(hook, FiniteStepsHook):
                hook.accept_statistics()
        runner.logger.info(
            # Behind the groups is the rate of the config, before factors such as that of biases.
            f'The learning rate falls to {_rates(wrapper)[-1]:.3g}: training continues from the best weights, {path}'
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the optimizer to the best checkpoint, which MMEngine saves without it."""
        if self._in_training:
            checkpoint.setdefault('optimizer', runner.optim_wrapper.state_dict())


def _rates(wrapper: OptimWrapper) -> list[float]:
    """Return the learning rate of each group of parameters."""
    return [group['lr'] for group in wrapper.param_groups]


def _best_checkpoint(hook: CheckpointHook) -> tuple[str, str | None]:
    """Return the path of the best checkpoint, and the reason why it cannot be loaded, the same in all ranks."""
    found: list[tuple[str, str | None]] = [('', None)]
    if is_main_process():
        # Only the file name counts, since the folder may have been moved or copied.
        path = Path(hook.out_dir, Path(hook.best_ckpt_path or '').name)
        found = [(str(path), why_not_resumable(path))]
    broadcast_object_list(found)
    return found[0]
