"""Save a checkpoint and stop cleanly on preemption."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, cast

import torch
import torch.distributed
from mmdet.registry import HOOKS
from mmengine.dist import is_distributed
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from ssd_plugin.compat import accumulation_steps, save_checkpoint_now

# EX_TEMPFAIL of sysexits.h: a temporary failure, to be tried again.
PREEMPTED_STATUS = 75
# Environment variable with the path of a file that is created on preemption. tools/dist_run.sh sets it, since torchrun
# does not pass on the exit status of a rank.
PREEMPTED_FILE_VARIABLE = 'SSD_PLUGIN_PREEMPTED'


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Finish the iteration, save a checkpoint and stop when SIGTERM or SIGUSR1 arrives.

    ``tools/train.py`` then exits with status 75, which ``tools/slurm_train.sh`` turns into a requeue. All ranks stop at
    the same iteration, whichever of them received the signal. With gradient accumulation, they stop after a step of the
    optimizer.

    Args:
        interval: Iterations between two exchanges of received signals among the ranks. A run of one process checks
            after every iteration.

    Attributes:
        preempted: Whether a signal has ended this run.
    """

    # After the hooks that save, including MMEngine's CheckpointHook.
    priority = 'LOWEST'
    SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

    def __init__(self, interval: int = 10) -> None:
        self.interval = interval
        self.preempted = False
        self._signal: int | None = None
        self._group: torch.distributed.ProcessGroup | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def before_train(self, runner: Runner) -> None:
        """Start to handle the signals."""
        # A process forked by this one, for example to compute a metric, must still end on a signal.
        os.register_at_fork(after_in_child=self._restore_handlers)
        for number in self.SIGNALS:
            self._handlers[number] = signal.signal(number, self._receive)
        if is_distributed():
            # A group on the CPU: the exchange does not wait for the GPUs.
            seconds = runner.cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', 600)
            group = torch.distributed.new_group(backend='gloo', timeout=timedelta(seconds=seconds))
            # Every rank is a member.
            self._group = cast(torch.distributed.ProcessGroup, group)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Save a checkpoint and stop if any rank has received a signal."""
        iteration = runner.iter + 1
        if iteration % accumulation_steps(runner.optim_wrapper) or not self._any_signal(iteration):
            return
        hook = _checkpoint_hook(runner)
        if not _is_saved(hook, iteration):
            save_checkpoint_now(hook, runner)
        self._announce(runner, iteration)
        runner.train_loop.stop_training = True

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop during validation if the weights are saved; a resumed run validates again.

        Raises:
            SystemExit: With status 75, if any rank has received a signal.
        """
        # Without handlers this is a validation outside of training.
        if self._handlers and self._any_signal(batch_idx + 1) and _is_saved(_checkpoint_hook(runner), runner.iter):
            self._announce(runner, runner.iter)
            raise SystemExit(PREEMPTED_STATUS)

    def _announce(self, runner: Runner, iteration: int) -> None:
        """Log that the run stops, and tell the launcher once all ranks have arrived here."""
        name = signal.Signals(self._signal).name if self._signal else 'received by another rank'
        runner.logger.warning(
            f'Stopping after iteration {iteration} ({name}): a checkpoint is saved, resume from it with --resume'
        )
        self.preempted = True
        if self._group is not None:
            # A launcher kills the other ranks when one exits with an error: not before the checkpoint is written.
            torch.distributed.barrier(group=self._group)
        if os.environ.get(PREEMPTED_FILE_VARIABLE):
            Path(os.environ[PREEMPTED_FILE_VARIABLE]).touch()

    def after_train(self, runner: Runner) -> None:
        """Restore the previous signal handlers."""
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _any_signal(self, count: int) -> bool:
        """Return whether any rank has received a signal; ranks exchange signals when ``interval`` divides ``count``."""
        if self._group is None:
            return self._signal is not None
        if count % self.interval:
            return False
        received = torch.tensor(int(self._signal is not None))
        torch.distributed.all_reduce(received, op=torch.distributed.ReduceOp.MAX, group=self._group)
        return bool(received)


def _checkpoint_hook(runner: Runner) -> CheckpointHook:
    return next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))


def _is_saved(hook: CheckpointHook, iteration: int) -> bool:
    """Return whether the last checkpoint of a hook is that of an iteration."""
    return bool(hook.last_ckpt) and Path(hook.last_ckpt).name == hook.filename_tmpl.format(iteration)
