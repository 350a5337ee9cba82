"""Base class of backbones that are a single sequence of layers."""

from mmcv.cnn import is_norm
from mmengine.model import BaseModule
from torch import nn


class FeaturesBackbone(BaseModule):
    """Backbone that is a sequence of layers, ``features``, with the first layers optionally frozen.

    Args:
        features: Layers of the network.
        frozen_stages: Number of layers, counted from the first, that are frozen; -1 or 0 for none.
        norm_eval: Whether normalization layers keep their statistics fixed during training.
        init_cfg: Initialization.

    Raises:
        ValueError: ``frozen_stages`` is less than -1, or there are fewer layers.
    """

    def __init__(
        self, features: nn.Sequential, frozen_stages: int, norm_eval: bool, init_cfg: dict | list[dict] | None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not -1 <= frozen_stages <= len(features):
            raise ValueError(f'frozen_stages must be -1, 0 or in 1..{len(features)}, got {frozen_stages}')
        self.features = features
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self._freeze()

    def _freeze(self) -> None:
        """Put the frozen layers into evaluation mode and turn off their gradients."""
        for layer in self.features[: max(self.frozen_stages, 0)]:
            layer.eval()
            layer.requires_grad_(False)

    def train(self, mode: bool = True) -> 'FeaturesBackbone':
        """Set the training mode; frozen layers and, with ``norm_eval``, normalization layers stay in eval mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if is_norm(module):
                    module.eval()
        return self
