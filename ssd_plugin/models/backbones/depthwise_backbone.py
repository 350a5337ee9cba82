"""Backbones built from depthwise separable convolutions (MobileNetV1, arXiv 1704.04861, section 3.1, table 1)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmdet.registry import MODELS
from torch import Tensor, nn

from ssd_plugin.option_ranges import check_counts

from .features_backbone import FeaturesBackbone


@MODELS.register_module()
class DepthwiseBackbone(FeaturesBackbone):
    """Backbone of 13 layers: a 3x3 convolution, then twelve pairs of a 3x3 depthwise and a 1x1 convolution.

    Args:
        base_channels: Number of channels of the first layer; the other layers have multiples of it (:attr:`WIDTHS`).
        in_channels: Number of channels of the image.
        out_indices: Layers, counted from 1, whose outputs are the feature maps. The strides after layers 8, 11 and 13
            are 8, 16 and 32.
        frozen_stages: Number of layers, counted from the first, that are frozen; -1 or 0 for none.
        norm_eval: Whether normalization layers keep their statistics fixed during training.
        norm_cfg: Normalization after each convolution.
        act_cfg: Activation after each convolution.
        init_cfg: Initialization.

    Raises:
        ValueError: ``out_indices`` or ``frozen_stages`` go beyond the layers.
    """

    STRIDES: ClassVar[tuple[int, ...]] = (2, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1)
    WIDTHS: ClassVar[tuple[int, ...]] = (1, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8, 16, 16)

    def __init__(
        self,
        base_channels: int = 16,
        in_channels: int = 3,
        out_indices: Sequence[int] = (8, 11, 13),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict | None = dict(type='BN'),
        act_cfg: dict | None = dict(type='ReLU'),
        init_cfg: dict | list[dict] | None = [
            dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
            dict(type='Constant', val=1, layer='_BatchNorm'),
        ],
    ) -> None:
        check_counts(base_channels=base_channels, in_channels=in_channels)
        depth = len(self.STRIDES)
        if not all(1 <= index <= depth for index in out_indices):
            raise ValueError(f'out_indices must be layers 1..{depth}, got {tuple(out_indices)}')
        self.out_indices = tuple(out_indices)
        features = nn.Sequential()
        channels = in_channels
        for width, stride in zip(self.WIDTHS, self.STRIDES):
            layer = DepthwiseSeparableConvModule if features else ConvModule
            out = width * base_channels
            features.append(layer(channels, out, 3, stride=stride, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg))
            channels = out
        super().__init__(features, frozen_stages, norm_eval, init_cfg)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of images ``(B, 3, H, W)``, one for each output layer."""
        outputs = []
        for number, layer in enumerate(self.features, start=1):
            x = layer(x)
            if number in self.out_indices:
                outputs.append(x)
        return tuple(outputs)


@MODELS.register_module()
class MobileNetV1(DepthwiseBackbone):
    """Backbone of the 14 layers of MobileNetV1 (arXiv 1704.04861, table 1), with 32 to 1024 channels.

    The strides after layers 12 and 14 are 16 and 32.

    Args:
        base_channels: Number of channels of the first layer.
        out_indices: Layers, counted from 1, whose outputs are the feature maps.
        kwargs: Other arguments of :class:`DepthwiseBackbone`.
    """

    STRIDES: ClassVar[tuple[int, ...]] = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    WIDTHS: ClassVar[tuple[int, ...]] = (1, 2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)

    def __init__(self, base_channels: int = 32, out_indices: Sequence[int] = (12, 14), **kwargs: Any) -> None:
        super().__init__(base_channels=base_channels, out_indices=out_indices, **kwargs)
