# SSD300 on MobileNetV1 (arXiv 1704.04861), for a config's model: feature maps 19, 10, 5, 3, 2, 1.
ssd300_on_mobilenetv1 = dict(
    backbone=dict(_delete_=True, type='MobileNetV1', out_indices=(12, 14)),
    neck=dict(
        _delete_=True,
        type='SSDExtraLayers',
        in_channels=(512, 1024),
        out_channels=(512, 256, 256, 256),
        mid_channels=(256, 128, 128, 128),
        strides=(2, 2, 2, 2),
        paddings=(1, 1, 1, 1),
    ),
    bbox_head=dict(
        in_channels=(512, 1024, 512, 256, 256, 256), prior_generator=dict(strides=[16, 32, 64, 100, 150, 300])
    ),
)
