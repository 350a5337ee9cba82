# SSD at 320x320 on timm's MobileNetV3-Large on VOC2007+2012, from ImageNet weights. Unlike SSDLite
# (ssdlite320_mobilenetv3_coco.py), it takes the outputs of the blocks, with a first feature map of stride 8.
# torchvision's weights need its batch norm: --cfg-options model.backbone.checkpoint=torchvision://mobilenet_v3_large
# model.backbone.options.bn_eps=0.001
_base_ = './ssd320_resnet18_voc.py'
model = dict(backbone=dict(name='mobilenetv3_large_100'))
