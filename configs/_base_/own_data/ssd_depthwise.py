# The depthwise detector, from scratch.
_base_ = ['../models/ssd_depthwise.py', '../pipelines/ssd320x240.py', './recipe.py', './scratch.py']
model = dict(
    bbox_head=dict(
        matcher=dict(ignored='match'),
        # Training from scratch benefits from batch norm in the predictors too.
        norm_cfg=dict(type='BN'),
        # Sizes in pixels are given instead.
        prior_generator=dict(scale_range=None, first_scale=None),
    )
)
