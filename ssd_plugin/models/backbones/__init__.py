"""Backbones: networks that give feature maps of an image."""

from .depthwise_backbone import DepthwiseBackbone, MobileNetV1
from .ssd_vgg16 import SSDVGG16, DecimatedVGG16Init
from .timm_backbone import TimmBackbone
from .timm_init import TimmInit
from .torchvision_mobilenet import TorchvisionMobileNet

__all__ = [
    'SSDVGG16',
    'DecimatedVGG16Init',
    'DepthwiseBackbone',
    'MobileNetV1',
    'TimmBackbone',
    'TimmInit',
    'TorchvisionMobileNet',
]
