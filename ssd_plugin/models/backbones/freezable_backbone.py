"""Base class of backbones whose first stages can be frozen."""

from collections.abc import Sequence

from mmcv.cnn import is_norm
from mmengine.model import BaseModule
from torch import nn


class FreezableBackbone(BaseModule):
    """Backbone whose first stages can be frozen, and whose normalization can keep its statistics."""

    frozen_stages = -1
    norm_eval = False
    _frozen: tuple[nn.Module, ...] = ()

    def freeze_stages(self, stages: Sequence[Sequence[nn.Module]], frozen_stages: int, norm_eval: bool) -> None:
        """Freeze the first stages, now and whenever the training mode is set.

        Args:
            stages: Modules of each stage.
            frozen_stages: Number of stages, counted from the first, that are frozen; -1 or 0 for none.
            norm_eval: Whether normalization layers keep their statistics fixed during training.

        Raises:
            ValueError: ``frozen_stages`` is less than -1, or there are fewer stages.
        """
        if not -1 <= frozen_stages <= len(stages):
            raise ValueError(f'frozen_stages must be -1, 0 or in 1..{len(stages)}, got {frozen_stages}')
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        # In a tuple, which does not make them submodules under a second name.
        self._frozen = tuple(module for stage in stages[: max(frozen_stages, 0)] for module in stage)
        self._freeze()

    def _freeze(self) -> None:
        """Put the frozen layers into evaluation mode and turn off their gradients."""
        for module in self._frozen:
            module.eval()
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> 'FreezableBackbone':
        """Set the training mode; frozen layers and, with ``norm_eval``, normalization layers stay in eval mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if is_norm(module):
                    module.eval()
        return self
