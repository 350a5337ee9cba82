"""Reports images that were left out while training."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.configs import pipeline_steps


@HOOKS.register_module()
class SkippedImagesHook(Hook):
    """Say in the log how many images could not be read so far, of those that ``LoadEncodedImage`` read in all workers of this process.
    It names each of them itself, and ends training when they are too many.

    Args:
        interval: iterations between reports; there is one at the end, too. Nothing new is not reported.
    """

    def __init__(self, interval: int = 1000):
        self.interval = interval
        self._reported = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Every ``interval`` iterations."""
        if self.every_n_train_iters(runner, self.interval):
            self._report(runner)

    def after_train(self, runner: Runner) -> None:
        """At the end."""
        self._report(runner)

    def _report(self, runner: Runner) -> None:
        steps = [step for step, _ in pipeline_steps(runner.train_dataloader.dataset)]
        counts = [step.counts.sum(dim=0) for step in steps if hasattr(step, 'counts')]
        read, skipped = sum(counts).tolist() if counts else (0, 0)
        if skipped > self._reported:
            self._reported = skipped
            runner.logger.warning(
                f'{skipped} of the {read} images read so far could not be, and others took their places; they are '
                'named above. tools/check_dataset.py finds all of them'
            )
