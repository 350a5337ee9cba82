"""Switch mosaics off before the end of training."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssd_plugin.configs import pipeline_steps
from ssd_plugin.datasets.transforms import MosaicSSDAugment
from ssd_plugin.engine.loops import StreamTrainLoop
from ssd_plugin.option_ranges import check_fractions


@HOOKS.register_module()
class MosaicSwitchHook(Hook):
    """Train the last iterations without mosaics, on images like those of evaluation (arXiv 2107.08430, section 2.1).

    With :class:`StreamTrainLoop` the switch is exact. With another loop, batches that workers have already begun still
    have mosaics.

    Args:
        share: Fraction of the iterations, counted from the end, that are trained without mosaics.
    """

    def __init__(self, share: float = 0.1) -> None:
        check_fractions(share=share)
        self.share = share

    def before_train(self, runner: Runner) -> None:
        """Switch mosaics off if the run resumes after the last one."""
        self._switch(runner, runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Switch mosaics off if the next iteration is the first one without them."""
        if self._switch(runner, runner.iter + 1) and isinstance(runner.train_loop, StreamTrainLoop):
            runner.train_loop.restart_data(runner.iter + 1)

    def _switch(self, runner: Runner, iteration: int) -> bool:
        """Switch mosaics off if an iteration is to have none, and return whether any were on."""
        if iteration < runner.max_iters * (1 - self.share):
            return False
        active = False
        for step, _ in pipeline_steps(runner.train_dataloader.dataset):
            if isinstance(step, MosaicSSDAugment) and step.active:
                step.active.fill_(False)
                runner.logger.info(f'No more mosaics from iteration {iteration + 1} on ({type(step).__name__})')
                active = True
        return active
