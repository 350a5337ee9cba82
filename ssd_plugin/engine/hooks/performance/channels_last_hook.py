"""Training in the ``channels_last`` memory layout."""

import torch
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Keep the weights of the model in ``torch.channels_last``; the feature maps follow.

    Depthwise convolutions gain most: they train at about twice the speed on a CPU.
    """

    # Before EMAHook copies the model.
    priority = 'HIGH'

    def before_run(self, runner: Runner) -> None:
        """Change the layout before weights are loaded, which keeps it."""
        runner.model.to(memory_format=torch.channels_last)
