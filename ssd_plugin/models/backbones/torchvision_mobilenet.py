"""torchvision's MobileNetV2 and MobileNetV3 as backbones, with the feature maps that SSDLite uses."""

from collections.abc import Sequence
from typing import cast

from mmcv.cnn import build_norm_layer
from mmdet.registry import MODELS
from torch import Tensor, nn
from torchvision.models import get_model, mobilenetv2, mobilenetv3

from .features_backbone import FeaturesBackbone

ARCHITECTURES = ('mobilenet_v2', 'mobilenet_v3_large', 'mobilenet_v3_small')


@MODELS.register_module()
class TorchvisionMobileNet(FeaturesBackbone):
    """The ``features`` of one of torchvision's MobileNets.

    Parameters have torchvision's names, so its ImageNet weights load with
    ``init_cfg=dict(type='Pretrained', checkpoint='torchvision://mobilenet_v2')``.

    Args:
        arch: ``'mobilenet_v2'``, ``'mobilenet_v3_large'`` or ``'mobilenet_v3_small'``.
        out_indices: Layers, counted from 0, whose outputs are the feature maps.
        tap: Where the feature map of an inverted residual is taken: ``'expansion'``, after its first convolution and
            before its stride (SSDLite: MobileNetV2, arXiv 1801.04381, section 6.2; MobileNetV3, arXiv 1905.02244,
            section 6.3), or ``'output'``. Other layers give their output.
        width_mult: Multiplier of the number of channels.
        reduced_tail: Whether the last blocks of MobileNetV3 have half the channels (arXiv 1905.02244, section 6.3).
        frozen_stages: Number of layers, counted from the first, that are frozen; -1 or 0 for none.
        norm_eval: Whether normalization layers keep their statistics fixed during training.
        norm_cfg: Normalization after each convolution.
        init_cfg: Initialization; ``None`` keeps torchvision's.

    Raises:
        ValueError: An argument is none of the documented values, or goes beyond the layers.
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
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if arch not in ARCHITECTURES:
            raise ValueError(f'arch must be one of {ARCHITECTURES}, got {arch!r}')
        if tap not in ('expansion', 'output'):
            raise ValueError(f"tap must be 'expansion' or 'output', got {tap!r}")
        if reduced_tail and arch == 'mobilenet_v2':
            raise ValueError("reduced_tail=True needs a MobileNetV3, got arch='mobilenet_v2'")
        options = dict(reduced_tail=reduced_tail) if reduced_tail else {}

        def norm_layer(channels: int) -> nn.Module:
            return build_norm_layer(norm_cfg, channels)[1]

        network = get_model(arch, width_mult=width_mult, norm_layer=norm_layer, **options)
        features = cast(nn.Sequential, network.features)
        last = len(features) - 1
        if not all(0 <= index <= last for index in out_indices):
            raise ValueError(f'out_indices must be layers 0..{last}, got {tuple(out_indices)}')
        super().__init__(features, frozen_stages, norm_eval, init_cfg)
        self.out_indices = tuple(out_indices)
        self.tap = tap

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of images ``(B, 3, H, W)``, one for each output layer."""
        outputs = []
        for index, layer in enumerate(self.features):
            convolutions = _convolutions(layer) if index in self.out_indices and self.tap == 'expansion' else None
            if convolutions is not None:
                feature = convolutions[0](x)
                result = convolutions[1:](feature)
                x = x + result if layer.use_res_connect else result
            else:
                feature = x = layer(x)
            if index in self.out_indices:
                outputs.append(feature)
        return tuple(outputs)


def _convolutions(layer: nn.Module) -> nn.Sequential | None:
    """Return the convolutions of an inverted residual, ``None`` for a layer of another kind."""
    if isinstance(layer, mobilenetv2.InvertedResidual):
        return layer.conv
    if isinstance(layer, mobilenetv3.InvertedResidual):
        return layer.block
    return None
