"""The extra feature layers of SSD (SSD paper, figure 2)."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule, build_norm_layer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ssd_plugin.ops.levels import at_least_float32


class L2Norm(nn.Module):
    """Scale each position of a feature map to length 1 over its channels, times a learned factor per channel
    (ParseNet, section 3.3; SSD paper, section 3.1, for conv4_3).

    Args:
        channels: number of channels.
        scale: initial factor.
    """

    EPS = 1e-10  # lowest length

    def __init__(self, channels: int, scale: float = 20.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same; the length is taken in float32 at least. A position of zeros stays zero."""
        full = at_least_float32(x)
        # Bounded below the root, whose gradient at 0 is not finite.
        length = full.pow(2).sum(dim=1, keepdim=True).clamp(min=self.EPS**2).sqrt()
        return (self.weight[:, None, None] * full / length).type_as(x)


@MODELS.register_module()
class SSDExtraLayers(BaseModule):
    """Feature maps after the backbone's: for each a 1x1 convolution that narrows and a 3x3 that shrinks.

    Parameter names are those of MMDetection's ``SSDNeck``.

    Args:
        in_channels: channels of the backbone's outputs, which pass through; the last one feeds the extra layers.
        out_channels: channels of the extra levels.
        strides: of the second convolution of each extra level.
        paddings: of the second convolution of each extra level.
        mid_channels: channels after each level's first convolution, or one number for all; by default half of ``out_channels``.
        kernel_sizes: of the second convolution of each extra level, or one number for all.
        separable: make the second convolution depthwise separable.
        linear: with ``separable``, end each level without an activation (MobileNetV2's linear bottleneck, arXiv 1801.04381).
        l2_norm_scale: initial factor of an :class:`L2Norm` on the first level; ``None`` for none.
        first_norm_cfg: another normalization of the first level, say ``dict(type='BN')``; ``None`` for none.
        norm_cfg: normalization after the convolutions.
        act_cfg: activation after the convolutions.
        init_cfg: initialization.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        strides: Sequence[int],
        paddings: Sequence[int],
        mid_channels: int | Sequence[int] | None = None,
        kernel_sizes: int | Sequence[int] = 3,
        separable: bool = False,
        linear: bool = False,
        l2_norm_scale: float | None = None,
        first_norm_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        act_cfg: dict | None = dict(type='ReLU'),
        init_cfg: dict | list | None = dict(type='Caffe2Xavier', layer='Conv2d'),
    ):
        super().__init__(init_cfg=init_cfg)
        num = len(out_channels)
        if mid_channels is None:
            mid_channels = [channels // 2 for channels in out_channels]
        layout = dict(
            strides=strides,
            paddings=paddings,
            mid_channels=_per_level(mid_channels, num),
            kernel_sizes=_per_level(kernel_sizes, num),
        )
        for name, values in layout.items():
            if len(values) != num:
                raise ValueError(f'{name} has {len(values)} level(s), out_channels has {num}')
        if linear and not separable:
            raise ValueError('linear=True needs separable=True: dense levels always end with the activation')
        if l2_norm_scale is not None and first_norm_cfg is not None:
            raise ValueError('give l2_norm_scale or first_norm_cfg, not both')
        if l2_norm_scale is not None:
            self.l2_norm = L2Norm(in_channels[0], l2_norm_scale)
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
        """The backbone's maps, the first one normalized when asked, and the extra ones."""
        levels = list(inputs)
        feature = levels[-1]
        if hasattr(self, 'l2_norm'):
            levels[0] = self.l2_norm(levels[0])
        if hasattr(self, 'first_norm'):
            levels[0] = self.first_norm(levels[0])
        for layer in self.extra_layers:
            feature = layer(feature)
            levels.append(feature)
        return tuple(levels)


def _per_level(value: int | Sequence[int], num: int) -> Sequence[int]:
    return [value] * num if isinstance(value, int) else value
