"""Ends mosaics before training does."""
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class MosaicSwitchHook(Hook):
    """Train on whole images in the end: mosaics are images of a kind that will not be seen (arXiv 2107.08430, section 2.1).

    Batches that workers have already begun are mosaics still.

    Args:
        share: of the iterations, the last ones, that have no mosaics.
    """

    def __init__(self, share: float = 0.1):
        self.share = share

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Switch off once, also when training is resumed later than that."""
        if runner.iter < runner.max_iters * (1 - self.share):
            return
        # The pipeline of MMDetection's MultiImageMixDataset.
        steps = [step for step in getattr(runner.train_dataloader.dataset, 'pipeline', ()) if hasattr(step, 'active')]
        for step in steps:
            if step.active:
                step.active.fill_(False)
                runner.logger.info(f'No mosaics from here on ({type(step).__name__})')
