"""A small backbone of depthwise separable convolutions, in the layout of MobileNetV1 (arXiv 1704.04861, section 3.1)."""
from collections.abc import Sequence

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@MODELS.register_module()
class DepthwiseBackbone(BaseModule):
    """13 layers: a 3x3 convolution, then twelve pairs of a 3x3 depthwise and a 1x1 convolution.

    Args:
        base_channels: channels c of the first layer; the others have multiples of it (:attr:`WIDTHS`).
        in_channels: channels of the image.
        out_indices: layers, counted from 1, whose outputs are the feature maps. After layers 8, 11 and 13 the strides are 8, 16
            and 32.
        frozen_stages: number of layers, from the first, that do not train; -1 or 0 for none.
        norm_eval: keep the statistics of batch norms fixed while training.
        norm_cfg: normalization after each convolution.
        act_cfg: activation after each convolution.
        init_cfg: initialization.
    """

    STRIDES = (2, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1)
    WIDTHS = (1, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8, 16, 16)

    def __init__(self,
                 base_channels: int = 16,
                 in_channels: int = 3,
                 out_indices: Sequence[int] = (8, 11, 13),
                 frozen_stages: int = -1,
                 norm_eval: bool = False,
                 norm_cfg: dict | None = dict(type='BN'),
                 act_cfg: dict | None = dict(type='ReLU'),
                 init_cfg: dict | list | None = [
                     dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
                     dict(type='Constant', val=1, layer='_BatchNorm')
                 ]):
        super().__init__(init_cfg=init_cfg)
        depth = len(self.STRIDES)
        for name, values in (('out_indices', out_indices), ('frozen_stages', [max(frozen_stages, 1)])):
            if not all(1 <= value <= depth for value in values):
                raise ValueError(f'{name} counts layers 1..{depth}, got {tuple(values)}')
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.features = nn.Sequential()
        channels = in_channels
        for width, stride in zip(self.WIDTHS, self.STRIDES):
            layer = DepthwiseSeparableConvModule if self.features else ConvModule
            out = width * base_channels
            self.features.append(layer(channels, out, 3, stride=stride, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg))
            channels = out
        self._freeze()

    def _freeze(self) -> None:
        for layer in self.features[:max(self.frozen_stages, 0)]:
            layer.eval()
            layer.requires_grad_(False)

    def train(self, mode: bool = True) -> 'DepthwiseBackbone':
        """Training mode, in which frozen layers, and with ``norm_eval`` all batch norms, stay in evaluation mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images ``(B, 3, H, W)`` to the feature maps of ``out_indices``."""
        outputs = []
        for number, layer in enumerate(self.features, start=1):
            x = layer(x)
            if number in self.out_indices:
                outputs.append(x)
        return tuple(outputs)
