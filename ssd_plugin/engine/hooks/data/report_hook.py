"""Reports of what training has skipped so far."""

from abc import abstractmethod
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.option_ranges import check_counts


class ReportHook(Hook):
    """Log what training has skipped, every ``interval`` iterations and at the end, where it is more than before.

    Args:
        interval: Iterations between reports.
    """

    def __init__(self, interval: int = 1000) -> None:
        check_counts(interval=interval)
        self.interval = interval
        self._reported: list[int] = []

    @abstractmethod
    def counts(self, runner: Runner) -> list[tuple[int, str]]:
        """Return, for each kind, how much was skipped so far, and the text of the report."""

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report every ``interval`` iterations."""
        if self.every_n_train_iters(runner, self.interval):
            self._report(runner)

    def after_train(self, runner: Runner) -> None:
        """Report at the end of training."""
        self._report(runner)

    def _report(self, runner: Runner) -> None:
        counts = self.counts(runner)
        before = self._reported or [0] * len(counts)
        self._reported = [number for number, _ in counts]
        for (number, text), reported in zip(counts, before):
            if number > reported:
                runner.logger.warning(text)
