"""What the backbones that are one sequence of layers have in common: layers that do not train, statistics that stay."""

from mmengine.model import BaseModule
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class FeaturesBackbone(BaseModule):
    """A backbone whose layers are ``features``.

    Args:
        features: the layers.
        frozen_stages: number of layers, from the first, that do not train; -1 or 0 for none.
        norm_eval: keep the statistics of batch norms fixed while training.
        init_cfg: initialization.
    """

    def __init__(self, features: nn.Sequential, frozen_stages: int, norm_eval: bool, init_cfg: dict | list | None):
        super().__init__(init_cfg=init_cfg)
        if frozen_stages > len(features):
            raise ValueError(f'frozen_stages counts layers 1..{len(features)}, got {frozen_stages}')
        self.features = features
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self._freeze()

    def _freeze(self) -> None:
        for layer in self.features[: max(self.frozen_stages, 0)]:
            layer.eval()
            layer.requires_grad_(False)

    def train(self, mode: bool = True) -> 'FeaturesBackbone':
        """Training mode, in which frozen layers, and with ``norm_eval`` all batch norms, stay in evaluation mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self
