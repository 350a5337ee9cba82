"""Save a checkpoint and stop cleanly on preemption."""

import os
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import Any, cast

import torch
import torch.distributed
from mmdet.registry import HOOKS
from mmengine.dist import is_distributed
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from ssd_plugin.compat import accumulation_steps, save_checkpoint_now
from ssd_plugin.option_ranges import check_counts

from .stop_signals import StopSignals
from .whole_checkpoint_hook import checkpoint_hook

# EX_TEMPFAIL of sysexits.h: a temporary failure, to be tried again.
PREEMPTED_STATUS = 75
# Environment variable with the path of a file that is created on preemption. tools/dist_run.py sets it, and exits with
# the status of preemption itself: torchrun takes any status of a rank but 0 for a failure.
PREEMPTED_FILE_VARIABLE = 'SSD_PLUGIN_PREEMPTED'


def preempted_status() -> int:
    """Return the exit status of a process that a signal has stopped: 75, or 0 in a rank of ``tools/dist_run.py``."""
    return 0 if os.environ.get(PREEMPTED_FILE_VARIABLE) else PREEMPTED_STATUS


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Finish the iteration, save a checkpoint and stop when SIGTERM, SIGUSR1 or SIGINT (Ctrl-C) arrives.

    ``tools/train.py`` then exits with status 75, which ``tools/slurm_train.sh`` turns into a requeue. All ranks stop at
    the same iteration, whichever of them received the signal. With gradient accumulation, they stop after a step of the
    optimizer. A second SIGINT ends the process at once. Handlers are set while training runs, see :class:`StopSignals`.

    Args:
        interval: Iterations between two exchanges of received signals among the ranks. A run of one process checks
            after every iteration.

    Attributes:
        preempted: Whether a signal has ended this run.
    """

    # After the hooks that save, including MMEngine's CheckpointHook.
    priority = 'LOWEST'

    def __init__(self, interval: int = 10) -> None:
        check_counts(interval=interval)
        self.interval = interval
        self.preempted = False
        self._signals: StopSignals | None = None
        self._group: torch.distributed.ProcessGroup | None = None

    def before_train(self, runner: Runner) -> None:
        """Start to handle the signals."""
        self._signals = StopSignals()
        self._signals.start()
        if is_distributed():
            # A group on the CPU: the exchange does not wait for the GPUs.
            seconds = runner.cfg.get('env_cfg', {}).get('dist_cfg', {}).get('timeout', 600)
            group = torch.distributed.new_group(backend='gloo', timeout=timedelta(seconds=seconds))
            # Every rank is a member.
            self._group = cast(torch.distributed.ProcessGroup, group)

    def on_exit(self, runner: Runner) -> None:
        """Restore the previous signal handlers, however training has ended."""
        if self._signals is not None:
            self._signals.stop()
            self._signals = None

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Save a checkpoint and stop if any rank has received a signal.

        Raises:
            SystemExit: With :func:`preempted_status`, in a loop that only stops between epochs.
        """
        iteration = runner.iter + 1
        if iteration % accumulation_steps(runner.optim_wrapper) or not self._any_signal(iteration):
            return
        hook = checkpoint_hook(runner)
        if not _is_saved(hook, iteration):
            save_checkpoint_now(hook, runner)
        self._announce(runner, iteration)
        runner.train_loop.stop_training = True
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            raise SystemExit(preempted_status())

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Stop during validation if the weights are saved; a resumed run validates again.

        Raises:
            SystemExit: With :func:`preempted_status`, if any rank has received a signal.
        """
        # Without signals this is a validation outside of training.
        if self._signals and self._any_signal(batch_idx + 1) and _is_saved(checkpoint_hook(runner), runner.iter):
            self._announce(runner, runner.iter)
            raise SystemExit(preempted_status())

    def _announce(self, runner: Runner, iteration: int) -> None:
        """Log that the run stops, and tell the launcher once all ranks have arrived here."""
        name = self._received.name if self._received else 'received by another rank'
        runner.logger.warning(
            f'Stopping after iteration {iteration} ({name}): a checkpoint is saved, resume from it with --resume'
        )
        self.preempted = True
        if self._group is not None:
            # A launcher kills the other ranks when one exits with an error: not before the checkpoint is written.
            torch.distributed.barrier(group=self._group)
        if os.environ.get(PREEMPTED_FILE_VARIABLE):
            Path(os.environ[PREEMPTED_FILE_VARIABLE]).touch()

    @property
    def _received(self) -> Signals | None:
        return self._signals.received if self._signals else None

    def _any_signal(self, count: int) -> bool:
        """Return whether any rank has received a signal; ranks exchange signals when ``interval`` divides ``count``."""
        if self._group is None:
            return self._received is not None
        if count % self.interval:
            return False
        received = torch.tensor(int(self._received is not None))
        torch.distributed.all_reduce(received, op=torch.distributed.ReduceOp.MAX, group=self._group)
        return bool(received)


def _is_saved(hook: CheckpointHook, iteration: int) -> bool:
    """Return whether the last checkpoint of a hook is that of an iteration."""
    return bool(hook.last_ckpt) and Path(hook.last_ckpt).name == hook.filename_tmpl.format(iteration)
