"""Ends a run in good order when the cluster wants its machines back."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from mmdet.registry import HOOKS
from mmengine.dist import is_distributed
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

# EX_TEMPFAIL of sysexits.h: to be tried again.
PREEMPTED_STATUS = 75
# Set by tools/dist_run.sh: torchrun does not pass a status on.
NOTE = 'SSD_PLUGIN_PREEMPTED'


@HOOKS.register_module()
class PreemptionHook(Hook):
    """On SIGTERM or SIGUSR1, finish the iteration, save a checkpoint and stop; ``tools/train.py`` then exits with status 75, which
    ``tools/slurm_train.sh`` turns into a requeue.

    All ranks stop at the same iteration, whichever of them had the signal. Where gradients are accumulated, they stop after a step.

    Args:
        interval: iterations between the times when ranks ask each other; a run of one process looks after each.

    Attributes:
        preempted: whether this run was ended so.
    """

    # After the hooks that save, with MMEngine's checkpoint among them.
    priority = 'LOWEST'
    SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

    def __init__(self, interval: int = 10):
        self.interval = interval
        self.preempted = False
        self._signal: int | None = None
        self._group = None
        self._handlers = {}

    def before_train(self, runner: Runner) -> None:
        """From now on signals are waited for."""
        # A process that this one forks, to compute a metric, say, is to end when it is told to.
        os.register_at_fork(after_in_child=self._restore)
        for number in self.SIGNALS:
            self._handlers[number] = signal.signal(number, self._note)
        if is_distributed():
            # Asked on CPUs: a GPU is not waited for.
            seconds = runner.cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', 600)
            self._group = torch.distributed.new_group(backend='gloo', timeout=timedelta(seconds=seconds))

    def _note(self, number: int, frame) -> None:
        self._signal = number

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Stop if anyone was told to."""
        accumulated = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if (runner.iter + 1) % accumulated or not self._anyone(runner.iter + 1):
            return
        hook = self._checkpoints(runner)
        if not _is_saved(hook, runner.iter + 1):
            hook._save_checkpoint(runner)
        self._stop(runner, runner.iter + 1)
        runner.train_loop.stop_training = True

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """In a validation, stop at once if the weights are saved; a resumed run validates again.

        Raises:
            SystemExit: with status 75.
        """
        if self._handlers and self._anyone(batch_idx + 1) and _is_saved(self._checkpoints(runner), runner.iter):
            self._stop(runner, runner.iter)
            raise SystemExit(PREEMPTED_STATUS)

    @staticmethod
    def _checkpoints(runner: Runner) -> CheckpointHook:
        return next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))

    def _stop(self, runner: Runner, iteration: int) -> None:
        name = signal.Signals(self._signal).name if self._signal else 'another rank was told to'
        runner.logger.warning(
            f'Stopping after iteration {iteration} ({name}): a checkpoint is saved, --resume goes on from it'
        )
        self.preempted = True
        if self._group is not None:
            # A launcher kills the other ranks when one ends with a status: not before the checkpoint is written.
            torch.distributed.barrier(group=self._group)
        if os.environ.get(NOTE):
            Path(os.environ[NOTE]).touch()

    def after_train(self, runner: Runner) -> None:
        """Signals mean again what they meant before."""
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _anyone(self, count: int) -> bool:
        if self._group is None:
            return self._signal is not None
        if count % self.interval:
            return False
        told = torch.tensor(int(self._signal is not None))
        torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX, group=self._group)
        return bool(told)


def _is_saved(hook: CheckpointHook, iteration: int) -> bool:
    return bool(hook.last_ckpt) and Path(hook.last_ckpt).name == hook.filename_tmpl.format(iteration)
