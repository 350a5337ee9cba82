"""Train the new layers first, with a frozen backbone."""

import gc
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ssd_plugin.errors import UserError


@HOOKS.register_module()
class FreezeBackboneHook(Hook):
    """Freeze the backbone for the first iterations of a training.

    Its parameters have no gradients then, so that no optimizer moves them, neither by weight decay nor by momentum, and
    it is in evaluation mode, so that batch norm keeps its statistics. The iterations are faster, too. Afterwards, all
    that ``frozen_stages`` and ``norm_eval`` of the backbone do not keep fixed trains. A resumed run equals an
    uninterrupted one. ``--max-iters`` of ``tools/train.py`` scales the number with the schedule.

    In one line of a config that inherits::

        default_hooks = dict(freeze_backbone=dict(type='FreezeBackboneHook', iterations=500))

    Args:
        iterations: Number of iterations, counted from the beginning of the training.

    Raises:
        UserError: It is negative.
    """

    def __init__(self, iterations: int) -> None:
        if iterations < 0:
            raise UserError(f'iterations of FreezeBackboneHook must be 0 or more, got {iterations}')
        self.iterations = iterations
        self._frozen: list[nn.Parameter] = []

    def before_train(self, runner: Runner) -> None:
        """Freeze the backbone, unless the run resumes after that time.

        Raises:
            UserError: The model has no backbone, or is distributed in a way in which parameters cannot be frozen.
        """
        if runner.iter >= self.iterations:
            return
        self._frozen = [parameter for parameter in _backbone(runner).parameters() if parameter.requires_grad]
        self._require_gradients(runner, False)
        runner.logger.info(f'The backbone is frozen up to iteration {self.iterations}')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the backbone in evaluation mode, or let it train from now on."""
        if not self._frozen:
            return
        if runner.iter < self.iterations:
            # A validation has ended with the whole model in training mode.
            _backbone(runner).eval()
            return
        self._require_gradients(runner, True)
        self._frozen = []
        _backbone(runner).train()
        runner.logger.info(f'The backbone trains from iteration {runner.iter + 1} on')

    def _require_gradients(self, runner: Runner, required: bool) -> None:
        """Turn the gradients of the frozen parameters on or off.

        DistributedDataParallel waits for a gradient of each parameter that required one when the model was wrapped, and
        ignores those that require one later; so the model is wrapped anew. The alternative, a search for unused
        parameters, would cost time in each iteration of the training.
        """
        wrapped = is_model_wrapper(runner.model)
        if wrapped and not isinstance(runner.model, DistributedDataParallel):
            raise UserError(
                f'FreezeBackboneHook works with DistributedDataParallel, not with {type(runner.model).__name__}; set '
                'frozen_stages of the backbone'
            )
        for parameter in self._frozen:
            parameter.requires_grad_(required)
        if wrapped:
            model = runner.model.module
            runner.model = None
            # The buckets of gradients, which the wrapper and its parts hold in a circle.
            gc.collect()
            runner.model = runner.wrap_model(runner.cfg.get('model_wrapper_cfg'), model)


def _backbone(runner: Runner) -> nn.Module:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, nn.Module):
        raise UserError(f'FreezeBackboneHook needs a model with a backbone, which {type(model).__name__} does not have')
    return backbone
