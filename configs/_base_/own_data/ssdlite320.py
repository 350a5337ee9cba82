# SSDLite on MobileNetV3-Large (torchvision/models/detection/ssdlite.py), from scratch.
_base_ = ['../models/ssdlite320.py', '../pipelines/ssd320.py', './recipe.py', './scratch.py']
model = dict(
    backbone=dict(
        type='TorchvisionMobileNet',
        arch='mobilenet_v3_large',
        out_indices=(13, 16),
        reduced_tail=True,
        norm_cfg=_base_.model.neck.norm_cfg,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.03),
    ),
    neck=dict(in_channels=(672, 480)),
    bbox_head=dict(
        in_channels=(672, 480, 512, 256, 256, 128),
        matcher=dict(ignored='match'),
        prior_generator=dict(sizes=[(64, 112), (112, 160), (160, 208), (208, 256), (256, 304), (304, 320)]),
    ),
    test_cfg=dict(score_thr=0.01),
)
