from .depthwise_backbone import DepthwiseBackbone
from .ssd_vgg16 import DecimatedVGG16Init, SSDVGG16

__all__ = ['DecimatedVGG16Init', 'DepthwiseBackbone', 'SSDVGG16']
