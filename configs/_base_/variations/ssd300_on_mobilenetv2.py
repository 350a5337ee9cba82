# SSD300 on MobileNetV2 (arXiv 1801.04381), for a config's model: feature maps 19, 10, 5, 3, 2, 1.
ssd300_on_mobilenetv2 = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV2',
        out_indices=(4, 7),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    ),
    neck=dict(
        _delete_=True,
        type='SSDExtraLayers',
        in_channels=(96, 1280),
        out_channels=(512, 256, 256, 128),
        mid_channels=(256, 128, 128, 64),
        strides=(2, 2, 2, 2),
        paddings=(1, 1, 1, 1),
    ),
    bbox_head=dict(
        in_channels=(96, 1280, 512, 256, 256, 128), prior_generator=dict(strides=[16, 32, 64, 100, 150, 300])
    ),
)
