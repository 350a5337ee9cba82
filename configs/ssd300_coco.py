# SSD300 on COCO 2017.
_base_ = [
    './_base_/models/ssd300.py',
    './_base_/pipelines/ssd300.py',
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
        # Sizes of the original release: 0.07 on the first level, 0.15 to 0.87 on the others.
        prior_generator=dict(sizes=[(21, 45), (45, 99), (99, 153), (153, 207), (207, 261), (261, 315)]),
    )
)
