# The settings of the PyTorch tutorial (github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection), for a config's
# model and for the augment option of its training dataset.
__xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform')
tutorial = dict(
    # Priors clipped to the image as cxcywh, an extra square prior on the last level as large as the image, background
    # first, a prior that is the best one of several objects goes to the last, every prior above the threshold a
    # candidate, Xavier uniform initialization.
    model=dict(
        neck=dict(init_cfg=__xavier),
        bbox_head=dict(
            init_cfg=__xavier,
            background='first',
            # The extra prior of the last level has the scale sqrt(0.9 * next_scale) = 1.
            prior_generator=dict(next_scale=1 / 0.9, clip='centers'),
            matcher=dict(contested='last'),
            bbox_coder=dict(clip_border=False),
        ),
        test_cfg=dict(nms_pre=-1),
    ),
    # Each side of a crop drawn by itself, torchvision's color adjustments in random order.
    augment=dict(crop_sampling='sides', color_jitter='torchvision', brightness=(0.5, 1.5), hue=18 / 255 * 360),
)
