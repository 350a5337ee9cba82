"""Logs in which the results of a validation are those of this validation."""

from typing import Any

from mmdet.registry import LOG_PROCESSORS
from mmengine.runner import LogProcessor


@LOG_PROCESSORS.register_module()
class ExactLogProcessor(LogProcessor):
    """MMEngine's ``LogProcessor`` that smooths the values of training only.

    MMEngine (0.10.7, onedl 0.10.12) averages every value whose name contains ``loss`` over the last ``window_size``
    records, including the losses of validations, so that the terminal and ``scalars.json`` show the mean of up to 50
    validations in place of the last one.

    Args:
        args: As of ``LogProcessor``.
        kwargs: As of ``LogProcessor``.
    """

    def get_log_after_epoch(self, *args: Any, **kwargs: Any) -> tuple[dict, str]:
        """Return the record of a validation or test, and its line for the terminal."""
        window_size, self.window_size = self.window_size, 1
        try:
            return super().get_log_after_epoch(*args, **kwargs)
        finally:
            self.window_size = window_size
