# The depthwise detector, half as wide: 8 channels after the first layer instead of 16.
_base_ = './ssd_depthwise_320x240_voc.py'
model = dict(
    backbone=dict(base_channels=8),
    neck=dict(in_channels=(32, 64, 128), out_channels=(128,), mid_channels=32),
    bbox_head=dict(in_channels=(32, 64, 128, 128)),
)
