# The model settings of the PyTorch tutorial, for a config's model: priors clipped to the image as cxcywh, an extra
# square prior on the last level as large as the image, background first, every prior above the threshold a candidate,
# Xavier uniform initialization.
__xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform')
tutorial = dict(
    neck=dict(init_cfg=__xavier),
    bbox_head=dict(
        init_cfg=__xavier,
        background='first',
        # The extra prior of the last level has the scale sqrt(0.9 * next_scale) = 1.
        prior_generator=dict(next_scale=1 / 0.9, clip='centers'),
        bbox_coder=dict(clip_border=False),
    ),
    test_cfg=dict(nms_pre=-1),
)
