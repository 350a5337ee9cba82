# SSDLite320 on MobileNetV2 on COCO 2017, as in MMDetection
# (configs/ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py), whose weights load as they are. Published for them: 21.3
# box AP on COCO val2017 (MMDetection's model zoo).
_base_ = [
    './_base_/models/ssdlite320.py',
    './_base_/pipelines/ssd320.py',
    './_base_/datasets/coco.py',
    './_base_/schedules/ssd_coco.py',
    './_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-2, weight_decay=4e-5))
model = dict(
    backbone=dict(
        type='MobileNetV2',
        out_indices=(4, 7),
        norm_cfg=_base_.model.neck.norm_cfg,
        init_cfg=dict(type='TruncNormal', layer='Conv2d', std=0.03),
    ),
    neck=dict(in_channels=(96, 1280)),
    bbox_head=dict(
        num_classes=80,
        in_channels=(96, 1280, 512, 256, 256, 128),
        matcher=dict(ignored='exclude'),
        prior_generator=dict(
            sizes=[(48, 100), (100, 150), (150, 202), (202, 253), (253, 304), (304, 320)], centers='step'
        ),
    ),
    test_cfg=dict(min_bbox_size=0),
)
