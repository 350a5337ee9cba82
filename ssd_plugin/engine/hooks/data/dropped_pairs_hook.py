"""Report pairs of prior and object that many-to-many matching had no room for."""

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_reduce
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ssd_plugin.models.losses.many_to_many_loss import ManyToManyLoss

from .report_hook import ReportHook


@HOOKS.register_module()
class DroppedPairsHook(ReportHook):
    """Log the number of pairs that all ranks have dropped in training, with the option that makes room for them.

    Args:
        interval: Iterations between reports; another one comes at the end. There is no report without newly dropped
            pairs.
    """

    def counts(self, runner: Runner) -> list[tuple[int, str]]:
        """Return the number of dropped pairs, and the text of the report."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        counts = [module.dropped_pairs for module in model.modules() if isinstance(module, ManyToManyLoss)]
        if not counts:
            return []
        total = torch.stack(counts).sum()
        all_reduce(total)
        dropped = int(total)
        return [
            (
                dropped,
                f'{dropped} matched pairs of prior and object were dropped so far, since a batch had more than it has '
                'room for; raise model.bbox_head.matcher.pairs_per_prior',
            )
        ]
