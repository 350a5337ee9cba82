"""Checkpoint formats of other implementations, and the equivalent configs of this package.

Each format maps names of modules or single parameters of the other implementation to names of this package. The longest
prefix that matches counts, and the rest of the name is kept: with ``vgg.0`` mapped to ``backbone.features.0``,
``vgg.0.weight`` becomes ``backbone.features.0.weight``.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# Indices in SSDVGG16.features of the convolutions conv1_1 to conv5_3, conv6 and conv7.
VGG = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
VGG_NAMES = (
    'conv1_1',
    'conv1_2',
    'conv2_1',
    'conv2_2',
    'conv3_1',
    'conv3_2',
    'conv3_3',
    'conv4_1',
    'conv4_2',
    'conv4_3',
    'conv5_1',
    'conv5_2',
    'conv5_3',
    'conv6',
    'conv7',
)


@dataclass(frozen=True)
class Format:
    """Checkpoint format of another implementation.

    Attributes:
        title: Implementation, and model, that writes it.
        names: Names of its modules or parameters, and their names in this package.
        configs: Configs that its checkpoints may load into, the usual one first.
        adapt: Change of a renamed state dict where new names are not enough.
    """

    title: str
    names: dict[str, str]
    configs: tuple[str, ...]
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict

    def rename(self, name: str) -> str | None:
        """Return the name in this package of a parameter, ``None`` if the format has no such parameter."""
        head, tail = name, ''
        while head:
            if head in self.names:
                return self.names[head] + tail
            head, dot, last = head.rpartition('.')
            tail = dot + last + tail
        return None


def _heads(source: dict[str, str], levels: int, kinds: tuple[tuple[str, str], ...] = (('', '.0'),)) -> dict[str, str]:
    """Return the names of the prediction layers.

    Args:
        source: Names of the other implementation's modules for classes and boxes, and of this package's.
        levels: Number of feature maps.
        kinds: (theirs, ours): suffixes of the names of each layer within a level.
    """
    return {
        f'{theirs}.{level}{layer}': f'bbox_head.{ours}.{level}{our_layer}'
        for theirs, ours in source.items()
        for level in range(levels)
        for layer, our_layer in kinds
    }


def _extras(source: str, levels: int, layers: tuple[str, ...]) -> dict[str, str]:
    """Return the names of dense extra layers, which have two convolutions per level.

    Args:
        source: Name of a level, with ``{}`` for its index.
        levels: Number of extra levels.
        layers: Suffixes of the names of the two convolutions.
    """
    return {
        f'{source.format(level)}{layer}': f'neck.extra_layers.{level}.{i}.conv'
        for level in range(levels)
        for i, layer in enumerate(layers)
    }


def _conv_bn(theirs: str, ours: str, conv: int | str = 0, bn: int | str = 1) -> dict[str, str]:
    """Return the names of a convolution and its batch norm, which have numbers in the other implementation."""
    return {f'{theirs}.{conv}': f'{ours}.conv', f'{theirs}.{bn}': f'{ours}.bn'}


def _depthwise_layers(layers: int) -> dict[str, str]:
    """Return the names of MobileNetV1 in pytorch-ssd, whose layers are flat lists of convolutions and batch norms."""
    names = _conv_bn('base_net.0', 'backbone.features.0')
    for n in range(1, layers):
        names |= _conv_bn(f'base_net.{n}', f'backbone.features.{n}.depthwise_conv')
        names |= _conv_bn(f'base_net.{n}', f'backbone.features.{n}.pointwise_conv', 3, 4)
    return names


def _mobilenet_v2_layers() -> dict[str, str]:
    """Return the names of MobileNetV2 in pytorch-ssd, whose blocks are flat lists where torchvision nests layers."""
    flat = {0: '0.0', 1: '0.1', 3: '1.0', 4: '1.1', 6: '2', 7: '3'}
    names = {f'base_net.{n}': f'backbone.features.{n}' for n in (0, 18)}
    names |= {
        f'base_net.1.conv.{k}': f'backbone.features.1.conv.{v}' for k, v in {0: '0.0', 1: '0.1', 3: '1', 4: '2'}.items()
    }
    return names | {
        f'base_net.{n}.conv.{k}': f'backbone.features.{n}.conv.{v}' for n in range(2, 18) for k, v in flat.items()
    }


def _bottleneck_extras(source: str, layers: tuple[str, str, str], levels: int = 4) -> dict[str, str]:
    """Return the names of separable extra layers: 1x1, 3x3 depthwise and 1x1 convolutions, each with a batch norm.

    Args:
        source: Name of a level, with ``{}`` for its index.
        layers: For each convolution its suffix and that of its batch norm, separated by a space.
        levels: Number of extra levels.
    """
    ours = ('0', '1.depthwise_conv', '1.pointwise_conv')
    names: dict[str, str] = {}
    for level in range(levels):
        for layer, our_layer in zip(layers, ours):
            conv, bn = layer.split()
            names |= _conv_bn(source.format(level), f'neck.extra_layers.{level}.{our_layer}', conv, bn)
    return names


def _flatten_scale(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Flatten the scale factors of conv4_3, which the tutorial stores as (1, 512, 1, 1)."""
    name = 'neck.l2_norm.weight'
    return {**state, name: state[name].flatten()} if name in state else state


def _fold_bias_before_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fold the bias of a convolution into the running mean of its batch norm: (x + b) - m = x - (m - b)."""
    state = dict(state)
    for name in [name for name in state if name.endswith('.conv.bias')]:
        mean = name[: -len('conv.bias')] + 'bn.running_mean'
        if mean in state and state[mean].shape == state[name].shape:
            state[mean] = state[mean] - state.pop(name)
    return state


_PYTORCH_SSD_HEADS = {'classification_headers': 'cls_convs', 'regression_headers': 'reg_convs'}
_TORCHVISION_HEADS = {
    'head.classification_head.module_list': 'cls_convs',
    'head.regression_head.module_list': 'reg_convs',
}
_TUTORIAL_LEVELS = ('conv4_3', 'conv7', 'conv8_2', 'conv9_2', 'conv10_2', 'conv11_2')

FORMATS = {
    'torchvision-ssd300': Format(
        "torchvision's ssd300_vgg16",
        {f'backbone.features.{n}': f'backbone.features.{n}' for n in VGG if n < 23}
        | {'backbone.scale_weight': 'neck.l2_norm.weight'}
        | {
            f'backbone.extra.0.{k}': f'backbone.features.{v}'
            for k, v in {'1': 24, '3': 26, '5': 28, '7.1': 31, '7.3': 33}.items()
        }
        | {
            f'backbone.extra.{level + 1}.{k}': f'neck.extra_layers.{level}.{v}.conv'
            for level in range(4)
            for k, v in ((0, 0), (2, 1))
        }
        | _heads(_TORCHVISION_HEADS, 6),
        ('pretrained/ssd300_torchvision_coco.py',),
    ),
    'torchvision-ssdlite320': Format(
        "torchvision's ssdlite320_mobilenet_v3_large",
        # torchvision splits the network in the middle of layer 13.
        {f'backbone.features.0.{n}': f'backbone.features.{n}' for n in range(13)}
        | {
            'backbone.features.0.13': 'backbone.features.13.block.0',
            'backbone.features.1.0': 'backbone.features.13.block',
        }
        | {f'backbone.features.1.{n - 13}': f'backbone.features.{n}' for n in (14, 15, 16)}
        | _bottleneck_extras('backbone.extra.{}', ('0.0 0.1', '1.0 1.1', '2.0 2.1'))
        | _heads(_TORCHVISION_HEADS, 6, (('.0.0', '.0.conv'), ('.0.1', '.0.bn'), ('.1', '.1'))),
        ('ssdlite320_mobilenetv3_coco.py',),
    ),
    'mmdet': Format(
        "MMDetection's SSD300, SSD512 or SSDLite",
        {part: part for part in ('backbone', 'neck', 'bbox_head')}
        # Names before MMDetection 2.14.
        | {'backbone.l2_norm': 'neck.l2_norm'}
        | {f'backbone.extra.{n}': f'neck.extra_layers.{n // 2}.{n % 2}.conv' for n in range(10)}
        | {
            f'bbox_head.{kind}.{level}.{leaf}': f'bbox_head.{kind}.{level}.0.{leaf}'
            for kind in ('cls_convs', 'reg_convs')
            for level in range(7)
            for leaf in ('weight', 'bias')
        },
        (
            'pretrained/ssd300_mmdet_coco.py',
            'pretrained/ssd300_mmdet_voc.py',
            'pretrained/ssd512_mmdet_coco.py',
            'pretrained/ssd512_mmdet_voc.py',
            'ssdlite320_mobilenetv2_coco.py',
        ),
    ),
    'ssd.pytorch': Format(
        'ssd.pytorch (amdegroot)',
        {f'vgg.{n}': f'backbone.features.{n}' for n in VGG}
        | {'L2Norm': 'neck.l2_norm'}
        | {f'extras.{n}': f'neck.extra_layers.{n // 2}.{n % 2}.conv' for n in range(8)}
        | _heads({'conf': 'cls_convs', 'loc': 'reg_convs'}, 6),
        ('pretrained/ssd300_amdegroot_voc.py',),
    ),
    'tutorial': Format(
        'the PyTorch tutorial to object detection (sgrvinod)',
        {f'base.{name}': f'backbone.features.{n}' for name, n in zip(VGG_NAMES, VGG)}
        | {'rescale_factors': 'neck.l2_norm.weight'}
        | {
            f'aux_convs.conv{8 + level}_{i + 1}': f'neck.extra_layers.{level}.{i}.conv'
            for level in range(4)
            for i in range(2)
        }
        | {
            f'pred_convs.{kind}_{name}': f'bbox_head.{ours}.{level}.0'
            for kind, ours in (('cl', 'cls_convs'), ('loc', 'reg_convs'))
            for level, name in enumerate(_TUTORIAL_LEVELS)
        },
        ('recipes/ssd300_tutorial_voc.py',),
        _flatten_scale,
    ),
    'pytorch-ssd-vgg': Format(
        "pytorch-ssd's VGG-SSD (qfgaohao)",
        {f'base_net.{n}': f'backbone.features.{n}' for n in VGG}
        # Early versions apply L2 normalization to conv4_3, as ssd.pytorch does.
        | {'source_layer_add_ons.0': 'neck.first_norm', 'source_layer_add_ons.0.scale': 'neck.l2_norm.weight'}
        | _extras('extras.{}', 4, ('.0', '.2'))
        | _heads(_PYTORCH_SSD_HEADS, 6),
        ('pretrained/ssd300_qfgaohao_voc.py', 'pretrained/ssd300_amdegroot_voc.py'),
    ),
    'pytorch-ssd-mobilenetv1': Format(
        "pytorch-ssd's MobileNetV1-SSD (qfgaohao)",
        _depthwise_layers(14) | _extras('extras.{}', 4, ('.0', '.2')) | _heads(_PYTORCH_SSD_HEADS, 6),
        ('pretrained/ssd300_mobilenetv1_qfgaohao_voc.py',),
    ),
    'pytorch-ssd-mobilenetv2': Format(
        "pytorch-ssd's MobileNetV2-SSDLite (qfgaohao)",
        _mobilenet_v2_layers()
        | _bottleneck_extras('extras.{}.conv', ('0 1', '3 4', '6 7'))
        | _heads(_PYTORCH_SSD_HEADS, 5, (('.0', '.0.conv'), ('.1', '.0.bn'), ('.3', '.1')))
        | {f'{theirs}.5': f'bbox_head.{ours}.5.0' for theirs, ours in _PYTORCH_SSD_HEADS.items()},
        ('pretrained/ssdlite300_mobilenetv2_qfgaohao_voc.py',),
        _fold_bias_before_norm,
    ),
    'face-slim': Format(
        'the ultra-light face detector, slim (Linzaer)',
        _depthwise_layers(13)
        | {
            'extras.0.0': 'neck.extra_layers.0.0.conv',
            'extras.0.2.0': 'neck.extra_layers.0.1.depthwise_conv.conv',
            'extras.0.2.2': 'neck.extra_layers.0.1.pointwise_conv.conv',
        }
        | _heads(_PYTORCH_SSD_HEADS, 3, (('.0', '.0.conv'), ('.2', '.1')))
        | {f'{theirs}.3': f'bbox_head.{ours}.3.0' for theirs, ours in _PYTORCH_SSD_HEADS.items()},
        ('pretrained/ssd_face_slim_320x240.py',),
    ),
}
