# SSD512: feature maps 64, 32, 16, 8, 4, 2, 1; 24564 priors.
_base_ = './ssd_vgg16.py'
model = dict(
    neck=dict(
        out_channels=(512, 256, 256, 256, 256),
        strides=(2, 2, 2, 2, 1),
        paddings=(1, 1, 1, 1, 1),
        kernel_sizes=(3, 3, 3, 3, 4),
    ),
    bbox_head=dict(
        in_channels=(512, 1024, 512, 256, 256, 256, 256),
        prior_generator=dict(
            input_size=512,
            strides=[8, 16, 32, 64, 128, 256, 512],
            aspect_ratios=[[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]],
        ),
    ),
)
