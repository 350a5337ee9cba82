"""Early stopping that a resumed run continues."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import EarlyStoppingHook
from mmengine.runner import Runner

from ssd_plugin.errors import UserError


@HOOKS.register_module()
class ExactEarlyStoppingHook(EarlyStoppingHook):
    """MMEngine's ``EarlyStoppingHook``, whose count of validations without improvement is saved in checkpoints.

    MMEngine's hook begins to count anew in a resumed run. It also demands an improvement of 0.1 by default, which few
    validations of an AP in 0..1 show, and only warns if the metric does not exist.

    In a config that inherits: ``default_hooks = dict(early_stopping=dict(type='ExactEarlyStoppingHook',
    monitor='pascal_voc/mAP', patience=5))``.

    Args:
        monitor: Metric of the validation.
        rule: ``'greater'`` or ``'less'``, whichever is better; by default it follows from the metric's name.
        min_delta: Smallest change that is an improvement.
        kwargs: Other arguments of ``EarlyStoppingHook``, such as ``patience`` (validations without an improvement after
            which training stops, 5 by default) and ``stopping_threshold``.
    """

    # Before the checkpoint hook: the checkpoint that it saves after a validation contains the count.
    priority = 'LOW'

    def __init__(self, monitor: str, rule: str | None = None, min_delta: float = 0.001, **kwargs: Any) -> None:
        super().__init__(monitor, rule, min_delta, **kwargs)
        self._in_training = False

    @property
    def _key(self) -> str:
        return f'early_stopping/{self.monitor}'

    def before_train(self, runner: Runner) -> None:
        """Continue the count of the checkpoint.

        Raises:
            UserError: The run has no validation.
        """
        if runner.val_loop is None:
            raise UserError(f'{type(self).__name__} needs a validation, which gives {self.monitor}: set val_dataloader')
        self._in_training = True
        saved = runner.message_hub.get_info(self._key)
        if saved is not None:
            self.best_score, self.wait_count = saved['best'], saved['waited']

    def after_train(self, runner: Runner) -> None:
        """Stop counting."""
        self._in_training = False

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Decide whether training stops.

        Raises:
            UserError: The validation does not give the metric.
        """
        if not self._in_training:
            return
        if self.monitor not in (metrics or {}):
            raise UserError(
                f'{type(self).__name__}: the validation gives no {self.monitor!r}; monitor must be one of '
                f'{", ".join(metrics or {})}'
            )
        super().after_val_epoch(runner, metrics)
        runner.message_hub.update_info(self._key, dict(best=float(self.best_score), waited=self.wait_count))
