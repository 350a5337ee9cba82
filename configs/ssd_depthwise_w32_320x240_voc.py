# The depthwise detector, twice as wide: 32 channels after the first layer instead of 16.
_base_ = './ssd_depthwise_320x240_voc.py'
model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=(128, 256, 512), out_channels=(512,), mid_channels=128),
    bbox_head=dict(in_channels=(128, 256, 512, 512)),
)
