"""Save checkpoints such that there is always an intact one to resume from."""

from collections import deque
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ssd_plugin.compat import StepwiseCheckpointMixin
from ssd_plugin.errors import UserError
from ssd_plugin.files import remove_parts

from .checkpoint_integrity import why_not_resumable
from .work_dir_lock import WorkDirLock


@HOOKS.register_module()
class WholeCheckpointHook(StepwiseCheckpointMixin, CheckpointHook):
    """MMEngine's ``CheckpointHook``, made safe against killed processes, full disks and damaged files.

    A checkpoint is written beside its final place and renamed. An old one is deleted only when the new one exists and
    its checksums are right; MMEngine deletes first. If a checkpoint cannot be written, an error is logged, the
    previous one stays, and training continues; it ends with an error only if the last checkpoint cannot be written.
    While it trains, no other process can train in the work directory (:class:`WorkDirLock`).

    Args:
        args: As in ``CheckpointHook``.
        backend_args: As in ``CheckpointHook``; by default files are written by :class:`AtomicBackend`.
        kwargs: As in ``CheckpointHook``.

    Attributes:
        failure: Reason that the last checkpoint could not be saved; ``None`` if it was saved.
    """

    def __init__(self, *args: Any, backend_args: dict | None = None, **kwargs: Any) -> None:
        super().__init__(*args, backend_args=backend_args or dict(backend='atomic'), **kwargs)
        self.failure: str | None = None
        # Previous best checkpoints that the newest checkpoint may still record.
        self._outdated_best: set[str] = set()
        self._lock: WorkDirLock | None = None

    def before_train(self, runner: Runner) -> None:
        """Choose the folder, lock it, and remove unfinished files that a killed process has left there.

        Raises:
            UserError: Another process trains in the work directory, or the checkpoint is beyond the last iteration.
        """
        super().before_train(runner)
        if runner.iter > runner.max_iters:
            raise UserError(
                f'there is nothing to train: the checkpoint was saved after iteration {runner.iter}, and training ends '
                f'at {runner.max_iters}. Give a larger number (--max-iters or train_cfg), or another --work-dir'
            )
        if 0 < runner.iter == runner.max_iters:
            runner.logger.warning(
                f'There is nothing left to train: the checkpoint was saved after the last of {runner.iter} iterations'
            )
        if self.save_best:
            # Only the file names count, since the folder may have been moved or copied.
            best = self._best_paths()
            self._set_best_paths({key: path and self._in_folder(Path(path).name) for key, path in best.items()})
        if is_main_process():
            lock = WorkDirLock(runner.work_dir, runner.logger.warning)
            lock.acquire()
            self._lock = lock
            remove_parts(self.out_dir)

    def on_exit(self, runner: Runner) -> None:
        """Unlock the work directory, however training has ended."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def after_train(self, runner: Runner) -> None:
        """Publish checkpoints as configured.

        Raises:
            UserError: The last checkpoint could not be saved.
        """
        if self.failure is not None:
            raise UserError(self.failure)
        super().after_train(runner)

    def write_checkpoint(self, runner: Runner, step: int, meta: dict) -> None:
        """Write the checkpoint of a step, then delete those beyond ``max_keep_ckpts``; on failure, keep them all.

        Raises:
            UserError: Another process has taken over the work directory.
        """
        if self._lock is not None:
            self._lock.check()
        previous_path, previous_steps = self.last_ckpt, self._kept_steps()
        steps = [*(number for number in previous_steps if number != step), step]
        outdated = steps[: -self.max_keep_ckpts] if self.max_keep_ckpts > 0 else []
        path = self._path(step)
        # Before writing: the checkpoint contains the record of its own path.
        self._record(runner, path, steps[len(outdated) :])
        reason = self._write(runner, path, meta)
        if reason is None:
            self.failure = None
            if is_main_process():
                for number in outdated:
                    Path(self._path(number)).unlink(missing_ok=True)
            return
        self._record(runner, previous_path, previous_steps)
        remaining = f'The last one is {previous_path}' if previous_path else 'There is no earlier one'
        self.failure = f'the checkpoint {path} could not be saved: {reason}. {remaining}'
        runner.logger.error(f'{self.failure}; training continues')

    def write_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Write the weights if they are the best so far, then delete the previous best; on failure, keep that.

        MMEngine also saves a checkpoint to resume from, which records the best one. As long as that fails, the previous
        best, which the checkpoint before records, is kept.
        """
        if not self.save_best:
            return
        previous = self._best_paths()
        info = {key: value for key, value in runner.message_hub.runtime_info.items() if key.startswith('best_')}
        # MMEngine deletes the previous best, if it knows one, before it writes the new one.
        self._set_best_paths(dict.fromkeys(previous))
        try:
            super().write_best_checkpoint(runner, metrics)
        except OSError as error:
            runner.logger.error(
                f'the best checkpoint could not be saved: {error.strerror or error}; training continues'
            )
            runner.message_hub.update_info_dict(info)
            self._set_best_paths(previous)
            return
        # By position: with save_best='auto', the name of the metric has been replaced by now.
        written = self._best_paths().values()
        best = {key: new or old for (key, old), new in zip(previous.items(), written)}
        self._set_best_paths(best)
        self._outdated_best |= {path for path in previous.values() if path}
        self._outdated_best -= set(best.values())
        if self.failure is None:
            if is_main_process():
                for outdated in self._outdated_best:
                    Path(outdated).unlink(missing_ok=True)
            self._outdated_best = set()

    def _write(self, runner: Runner, path: str, meta: dict) -> str | None:
        """Write a checkpoint, verify the file, and return the reason of a failure or ``None``."""
        try:
            runner.save_checkpoint(
                self.out_dir,
                Path(path).name,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
            if not is_main_process():
                return None
            reason = why_not_resumable(path) if self.save_optimizer else None
            if reason is None:
                self.file_backend.put_text(path, str(Path(runner.work_dir, 'last_checkpoint')))
            return reason
        except OSError as error:
            return error.strerror or str(error)

    def _record(self, runner: Runner, path: str | None, steps: list[int]) -> None:
        """Record the last checkpoint and the steps of those that are kept, as MMEngine does."""
        self.last_ckpt = path
        runner.message_hub.update_info('last_ckpt', path)
        if self.max_keep_ckpts > 0:
            self.keep_ckpt_ids = deque(steps, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', steps)

    def _kept_steps(self) -> list[int]:
        # MMEngine keeps this record only with a limit.
        return list(self.keep_ckpt_ids) if self.max_keep_ckpts > 0 else []

    def _best_paths(self) -> dict[str, str | None]:
        """Return the path of the best checkpoint by metric; MMEngine stores it differently for one metric."""
        if len(self.key_indicators) == 1:
            return {self.key_indicators[0]: self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best_paths(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            (self.best_ckpt_path,) = paths.values()
        else:
            self.best_ckpt_path_dict = dict(paths)

    def _path(self, step: int) -> str:
        return self._in_folder(self.filename_tmpl.format(step))

    def _in_folder(self, name: str) -> str:
        return self.file_backend.join_path(self.out_dir, name)


def checkpoint_hook(runner: Runner) -> CheckpointHook:
    """Return the hook that saves the checkpoints of a run."""
    return next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
