"""Saves checkpoints so that there is always one to go on from."""

from collections import deque
from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ssd_plugin.errors import UserError
from ssd_plugin.files import remove_parts

from .checkpoint_integrity import why_not_whole


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, safe against being killed, full disks and damaged files.

    A checkpoint is written beside its place and renamed into it, and an old one is deleted only once the new one is there and its
    checksums are right; MMEngine deletes first. Where a checkpoint cannot be written, the log says so, the one before stays, and training
    goes on: it ends with an error only if the last checkpoint cannot be written.

    Args:
        kwargs: as of ``CheckpointHook``.
    """

    def __init__(self, *args, backend_args: dict | None = None, **kwargs):
        super().__init__(*args, backend_args=backend_args or dict(backend='atomic'), **kwargs)
        self.failure: str | None = None

    def before_train(self, runner: Runner) -> None:
        """Where checkpoints go; remains of a writer that was killed are removed."""
        super().before_train(runner)
        if is_main_process():
            remove_parts(self.out_dir)

    def after_train(self, runner: Runner) -> None:
        """Publish as configured.

        Raises:
            UserError: the last checkpoint could not be saved.
        """
        if self.failure is not None:
            raise UserError(self.failure)
        super().after_train(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        hub, before, kept = runner.message_hub, self.last_ckpt, list(getattr(self, 'keep_ckpt_ids', ()))
        ids = [*(number for number in kept if number != step), step]
        outdated = ids[: -self.max_keep_ckpts] if self.max_keep_ckpts > 0 else []
        ids = ids[len(outdated) :]
        path = self._path(step)
        self.last_ckpt = path
        # The checkpoint knows itself.
        hub.update_info('last_ckpt', path)
        if self.max_keep_ckpts > 0:
            hub.update_info('keep_ckpt_ids', ids)
            self.keep_ckpt_ids = deque(ids, self.max_keep_ckpts)
        reason = self._write(runner, path, meta)
        if reason is None:
            self.failure = None
            for number in outdated if is_main_process() else ():
                Path(self._path(number)).unlink(missing_ok=True)
            return
        self.last_ckpt = before
        hub.update_info('last_ckpt', before)
        if self.max_keep_ckpts > 0:
            hub.update_info('keep_ckpt_ids', kept)
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        rest = f'The last one is {before}' if before else 'There is none before'
        self.failure = f'the checkpoint {path} could not be saved: {reason}. {rest}'
        runner.logger.error(f'{self.failure}; training goes on')

    def _write(self, runner: Runner, path: str, meta: dict) -> str | None:
        """Write, and look at what was written; gives what went wrong."""
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
            reason = why_not_whole(path) if self.save_optimizer else None
            if reason is None:
                self.file_backend.put_text(path, str(Path(runner.work_dir, 'last_checkpoint')))
            return reason
        except OSError as error:
            return error.strerror or str(error)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best:
            return
        single = len(self.key_indicators) == 1
        before = {self.key_indicators[0]: self.best_ckpt_path} if single else dict(self.best_ckpt_path_dict)
        info = {key: value for key, value in runner.message_hub.runtime_info.items() if key.startswith('best_')}
        # MMEngine removes the best so far, if it knows one, before it writes the new one.
        self._set_best(dict.fromkeys(before), single)
        try:
            super()._save_best_checkpoint(runner, metrics)
        except OSError as error:
            runner.logger.error(f'the best checkpoint could not be saved: {error.strerror or error}; training goes on')
            runner.message_hub.update_info_dict(info)
            self._set_best(before, single)
            return
        # With 'auto' the name of the metric is known only now.
        now = [self.best_ckpt_path] if single else list(self.best_ckpt_path_dict.values())
        after = {key: new or old for (key, old), new in zip(before.items(), now)}
        self._set_best(after, single)
        for old in set(before.values()) - set(after.values()) - {None}:
            if is_main_process():
                Path(old).unlink(missing_ok=True)

    def _set_best(self, paths: dict, single: bool) -> None:
        if single:
            (self.best_ckpt_path,) = paths.values()
        else:
            self.best_ckpt_path_dict = dict(paths)

    def _path(self, step: int) -> str:
        return self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
