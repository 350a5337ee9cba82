"""The extra feature layers of SSD (SSD paper, figure 2)."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule, build_norm_layer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ssd_plugin.ops.levels import at_least_float32


class L2Norm(nn.Module):
    """L2 normalization over the channels at each position, times a learned factor per channel.

    ParseNet, section 3.3; the SSD paper, section 3.1, applies it to conv4_3.

    Args:
        channels: Number of channels.
        scale: Initial factor.
    """

    EPS = 1e-10  # lower bound on the norm

    def __init__(self, channels: int, scale: float = 20.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize a feature map ``(B, C, H, W)``; a position of zeros stays zero.

        The norm is computed in float32 or wider.
        """
        full = at_least_float32(x)
        # Clamped before the square root, whose gradient at 0 is infinite.
        norm = full.pow(2).sum(dim=1, keepdim=True).clamp(min=self.EPS**2).sqrt()
        return (self.weight[:, None, None] * full / norm).type_as(x)


@MODELS.register_module()
class SSDExtraLayers(BaseModule):
    """Neck that appends feature maps to those of the backbone.

    Each extra level is a 1x1 convolution that reduces the channels and a 3x3 convolution that reduces the resolution.
    The parameter names are those of MMDetection's ``SSDNeck``.

    Args:
        in_channels: Channels of the outputs of the backbone, which are passed through; the last one feeds the extra
            layers. ``None`` in a config of :class:`MultiBoxDetector` for those that the backbone has.
        out_channels: Channels of the extra levels.
        strides: Stride of the second convolution of each extra level, or one number for all levels.
        paddings: Padding of the second convolution of each extra level, or one number for all levels.
        mid_channels: Channels after the first convolution of each extra level, or one number for all levels; half of
            ``out_channels`` by default.
        kernel_sizes: Kernel size of the second convolution of each extra level, or one number for all levels.
        separable: Whether the second convolution is depthwise separable.
        linear: With ``separable``, end each level without an activation (the linear bottleneck of MobileNetV2,
            arXiv 1801.04381).
        l2_norm_scale: Initial factor of an :class:`L2Norm` on the first level; ``None`` for no such layer.
        first_norm_cfg: Another normalization of the first level, for example ``dict(type='BN')``; ``None`` for none.
        norm_cfg: Normalization after the convolutions.
        act_cfg: Activation after the convolutions.
        init_cfg: Initialization.

    Raises:
        ValueError: The arguments contradict each other; the message names them.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        out_channels: Sequence[int] = (),
        strides: int | Sequence[int] = 2,
        paddings: int | Sequence[int] = 1,
        mid_channels: int | Sequence[int] | None = None,
        kernel_sizes: int | Sequence[int] = 3,
        separable: bool = False,
        linear: bool = False,
        l2_norm_scale: float | None = None,
        first_norm_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = dict(type='ReLU'),
        init_cfg: dict | list[dict] | None = dict(type='Caffe2Xavier', layer='Conv2d'),
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if in_channels is None:
            raise ValueError(
                'in_channels is missing, which MultiBoxDetector takes from the backbone: set model.type to it, or give '
                'in_channels'
            )
        self.in_channels = tuple(in_channels)
        num = len(out_channels)
        if mid_channels is None:
            mid_channels = [channels // 2 for channels in out_channels]
        layout: dict[str, Sequence[int]] = dict(
            strides=_per_level(strides, num),
            paddings=_per_level(paddings, num),
            mid_channels=_per_level(mid_channels, num),
            kernel_sizes=_per_level(kernel_sizes, num),
        )
        for name, values in layout.items():
            if len(values) != num:
                raise ValueError(f'{name} has {len(values)} level(s), but out_channels has {num}')
        if linear and not separable:
            raise ValueError('linear=True needs separable=True: dense levels always end with an activation')
        if l2_norm_scale is not None and first_norm_cfg is not None:
            raise ValueError(
                'l2_norm_scale and first_norm_cfg both normalize the first level; set one of them, not both'
            )
        self.l2_norm = None if l2_norm_scale is None else L2Norm(in_channels[0], l2_norm_scale)
        self.first_norm: nn.Module | None = None
        if first_norm_cfg is not None:
            self.first_norm = build_norm_layer(first_norm_cfg, in_channels[0])[1]
        second = DepthwiseSeparableConvModule if separable else ConvModule
        common = dict(norm_cfg=norm_cfg, act_cfg=act_cfg)
        last = dict(pw_act_cfg=None) if linear else {}
        self.extra_layers = nn.ModuleList()
        previous = in_channels[-1]
        for channels, stride, padding, mid, kernel in zip(out_channels, *layout.values()):
            self.extra_layers.append(
                nn.Sequential(
                    ConvModule(previous, mid, 1, **common),
                    second(mid, channels, kernel, stride=stride, padding=padding, **common, **last),
                )
            )
            previous = channels

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the feature maps of the backbone, the first one normalized if configured, and the extra ones."""
        levels = list(inputs)
        feature = levels[-1]
        if self.l2_norm is not None:
            levels[0] = self.l2_norm(levels[0])
        if self.first_norm is not None:
            levels[0] = self.first_norm(levels[0])
        for layer in self.extra_layers:
            feature = layer(feature)
            levels.append(feature)
        return tuple(levels)


def _per_level(value: int | Sequence[int], num: int) -> Sequence[int]:
    """Return one value per level."""
    return [value] * num if isinstance(value, int) else value
