# SSD300 on VOC2007+2012. Published for this recipe: 77.2 mAP on VOC2007 test (arXiv 1512.02325v5, sec. 3.6, table 6).
_base_ = [
    './_base_/models/ssd300.py',
    './_base_/pipelines/ssd300.py',
    './_base_/datasets/voc.py',
    './_base_/schedules/ssd_voc.py',
    './_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(year, pipeline=_base_.train_pipeline) for year in _base_.train_dataloader.dataset.datasets]
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
model = dict(
    bbox_head=dict(
        num_classes=20,
        # Objects marked difficult train like the others, as in the original release.
        matcher=dict(ignored='match'),
        # Sizes of the original release: 0.1 on the first level, 0.2 to 0.88 on the others.
        prior_generator=dict(sizes=[(30, 60), (60, 111), (111, 162), (162, 213), (213, 264), (264, 315)]),
    )
)
