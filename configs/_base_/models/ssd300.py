# SSD300: feature maps 38, 19, 10, 5, 3, 1; 8732 priors.
_base_ = './ssd_vgg16.py'
model = dict(
    neck=dict(out_channels=(512, 256, 256, 256), strides=(2, 2, 1, 1), paddings=(1, 1, 0, 0)),
    bbox_head=dict(
        in_channels=(512, 1024, 512, 256, 256, 256),
        prior_generator=dict(
            input_size=300, strides=[8, 16, 32, 64, 100, 300], aspect_ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]]
        ),
    ),
)
