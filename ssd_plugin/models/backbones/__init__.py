from .depthwise_backbone import DepthwiseBackbone, MobileNetV1
from .ssd_vgg16 import DecimatedVGG16Init, SSDVGG16
from .torchvision_mobilenet import TorchvisionMobileNet

__all__ = ['DecimatedVGG16Init', 'DepthwiseBackbone', 'MobileNetV1', 'SSDVGG16', 'TorchvisionMobileNet']
