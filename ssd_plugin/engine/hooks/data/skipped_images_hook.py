"""Report images that training has skipped."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.configs import pipeline_steps
from ssd_plugin.datasets.transforms import LoadEncodedImage


@HOOKS.register_module()
class SkippedImagesHook(Hook):
    """Log the number of images that could not be read so far, over all loader workers of this process.

    ``LoadEncodedImage`` counts them, names each one in the log, and ends training when there are too many.

    Args:
        interval: Iterations between reports; another one comes at the end. There is no report without newly skipped
            images.
    """

    def __init__(self, interval: int = 1000) -> None:
        self.interval = interval
        self._reported = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report every ``interval`` iterations."""
        if self.every_n_train_iters(runner, self.interval):
            self._report(runner)

    def after_train(self, runner: Runner) -> None:
        """Report at the end of training."""
        self._report(runner)

    def _report(self, runner: Runner) -> None:
        read, skipped = 0, 0
        for step, _ in pipeline_steps(runner.train_dataloader.dataset):
            if isinstance(step, LoadEncodedImage):
                counts = step.counts.sum(dim=0)
                read, skipped = read + int(counts[0]), skipped + int(counts[1])
        if skipped > self._reported:
            self._reported = skipped
            runner.logger.warning(
                f'{skipped} of the {read} reads of images so far failed, and other images took their places; each '
                'unreadable file is named above. tools/check_dataset.py finds all of them'
            )
