# What the PyTorch tutorial does: priors limited to the image in centre form, the last level's extra square prior as large as the
# image, background first, every prior above the threshold a candidate, Xavier's uniform initialization. For a config's model.
xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform')
tutorial = dict(
    neck=dict(init_cfg=xavier),
    bbox_head=dict(
        init_cfg=xavier,
        background='first',
        # sqrt(0.9 / 0.9).
        prior_generator=dict(next_scale=1 / 0.9, clip='centers'),
        bbox_coder=dict(clip_border=False),
    ),
    test_cfg=dict(nms_pre=-1),
)
