"""Ends mosaics before training does."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.configs import pipeline_steps


@HOOKS.register_module()
class MosaicSwitchHook(Hook):
    """Train on whole images in the end: mosaics are images of a kind that will not be seen (arXiv 2107.08430, section 2.1).

    With :class:`StreamTrainLoop` it is exactly those iterations; with another loop, batches that workers have already begun are mosaics
    still.

    Args:
        share: of the iterations, the last ones, that have no mosaics.
    """

    def __init__(self, share: float = 0.1):
        self.share = share

    def before_train(self, runner: Runner) -> None:
        """A run that is resumed later than that has none at all."""
        self._switch(runner, runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Switch off once, for the next iteration."""
        if self._switch(runner, runner.iter + 1) and hasattr(runner.train_loop, 'restart_data'):
            runner.train_loop.restart_data(runner.iter + 1)

    def _switch(self, runner: Runner, iteration: int) -> bool:
        """Whether mosaics end before this iteration, and did not before."""
        if iteration < runner.max_iters * (1 - self.share):
            return False
        steps = [step for step, _ in pipeline_steps(runner.train_dataloader.dataset) if getattr(step, 'active', False)]
        for step in steps:
            step.active.fill_(False)
            runner.logger.info(f'No mosaics from here on ({type(step).__name__})')
        return bool(steps)
