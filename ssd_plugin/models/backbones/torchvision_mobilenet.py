"""torchvision's MobileNetV2 and MobileNetV3, with feature maps taken where SSDLite takes them."""

from collections.abc import Sequence

import torchvision
from mmcv.cnn import build_norm_layer
from mmdet.registry import MODELS
from torch import Tensor

from .features_backbone import FeaturesBackbone

ARCHITECTURES = ('mobilenet_v2', 'mobilenet_v3_large', 'mobilenet_v3_small')


@MODELS.register_module()
class TorchvisionMobileNet(FeaturesBackbone):
    """The ``features`` of a MobileNet of torchvision; its ImageNet weights load by name
    (``init_cfg=dict(type='Pretrained', checkpoint='torchvision://mobilenet_v2')``).

    Args:
        arch: ``'mobilenet_v2'``, ``'mobilenet_v3_large'`` or ``'mobilenet_v3_small'``.
        out_indices: layers, counted from 0, whose outputs are the feature maps.
        tap: where in an inverted residual its feature map is taken: ``'expansion'``, after its first convolution, before the
            stride (SSDLite: MobileNetV2, arXiv 1801.04381, section 6.2; MobileNetV3, arXiv 1905.02244, section 6.3), or
            ``'output'``. Layers of other kinds give their output.
        width_mult: multiplies the channels.
        reduced_tail: half the channels in the last blocks of MobileNetV3 (arXiv 1905.02244, section 6.3).
        frozen_stages: number of layers, from the first, that do not train; -1 or 0 for none.
        norm_eval: keep the statistics of batch norms fixed while training.
        norm_cfg: normalization after each convolution.
        init_cfg: initialization; ``None`` keeps torchvision's.
    """

    def __init__(
        self,
        arch: str,
        out_indices: Sequence[int],
        tap: str = 'expansion',
        width_mult: float = 1.0,
        reduced_tail: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict = dict(type='BN'),
        init_cfg: dict | list | None = None,
    ):
        if arch not in ARCHITECTURES:
            raise ValueError(f'arch must be one of {ARCHITECTURES}, got {arch!r}')
        if tap not in ('expansion', 'output'):
            raise ValueError(f"tap must be 'expansion' or 'output', got {tap!r}")
        if reduced_tail and arch == 'mobilenet_v2':
            raise ValueError('reduced_tail is for MobileNetV3')
        options = dict(reduced_tail=reduced_tail) if reduced_tail else {}
        network = getattr(torchvision.models, arch)(
            width_mult=width_mult, norm_layer=lambda channels: build_norm_layer(norm_cfg, channels)[1], **options
        )
        last = len(network.features) - 1
        if not all(0 <= index <= last for index in out_indices):
            raise ValueError(f'out_indices counts layers 0..{last}, got {tuple(out_indices)}')
        super().__init__(network.features, frozen_stages, norm_eval, init_cfg)
        self.out_indices = tuple(out_indices)
        self.tap = tap

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images ``(B, 3, H, W)`` to the feature maps of ``out_indices``."""
        outputs = []
        for index, layer in enumerate(self.features):
            if index in self.out_indices and self.tap == 'expansion' and hasattr(layer, 'use_res_connect'):
                # torchvision calls the convolutions of a block conv in MobileNetV2 and block in MobileNetV3.
                block = layer.conv if hasattr(layer, 'conv') else layer.block
                feature = block[0](x)
                result = block[1:](feature)
                x = x + result if layer.use_res_connect else result
            else:
                feature = x = layer(x)
            if index in self.out_indices:
                outputs.append(feature)
        return tuple(outputs)
