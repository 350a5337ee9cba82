"""Convolutions in the memory layout that hardware prefers."""

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the model's weights in ``torch.channels_last``; the feature maps follow.

    Depthwise convolutions gain most: about twice the speed in training on a CPU.
    """

    # Before EMAHook copies the model.
    priority = 'HIGH'

    def before_run(self, runner: Runner) -> None:
        """Before weights are loaded, which keeps the layout."""
        runner.model.to(memory_format=torch.channels_last)
