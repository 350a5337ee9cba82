# SSD512 on COCO 2017.
_base_ = [
    './_base_/models/ssd512.py',
    './_base_/pipelines/ssd512.py',
    './_base_/datasets/coco.py',
    './_base_/schedules/ssd_coco.py',
    './_base_/default_runtime.py',
]
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
model = dict(
    bbox_head=dict(
        num_classes=80,
        # Crowd regions give no negatives.
        matcher=dict(ignored='exclude'),
        # Sizes of the original release (0.04 on the first level, 0.1 to 0.9 on the others) in whole pixels, as in
        # MMDetection.
        prior_generator=dict(sizes=[(20, 51), (51, 133), (133, 215), (215, 296), (296, 378), (378, 460), (460, 542)]),
    )
)
