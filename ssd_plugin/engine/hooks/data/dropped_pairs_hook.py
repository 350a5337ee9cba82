"""Report pairs of prior and object that many-to-many matching had no room for."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ssd_plugin.models.losses.many_to_many_loss import ManyToManyLoss


@HOOKS.register_module()
class DroppedPairsHook(Hook):
    """Log the number of pairs of this process that training has dropped, with the option that makes room for them.

    Args:
        interval: Iterations between reports; another one comes at the end. There is no report without newly dropped
            pairs.
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
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        counts = [int(module.dropped_pairs) for module in model.modules() if isinstance(module, ManyToManyLoss)]
        dropped = sum(counts)
        if dropped > self._reported:
            self._reported = dropped
            runner.logger.warning(
                f'{dropped} matched pairs of prior and object were dropped so far, since a batch had more than it has '
                'room for; raise model.bbox_head.matcher.pairs_per_prior'
            )
