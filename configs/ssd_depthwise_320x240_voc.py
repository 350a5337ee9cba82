# The depthwise detector at 320x240 on VOC2007+2012, from scratch. Batch norm allows a learning rate ten times as high.
# Scales are 0.1 and then 0.2 to 0.9, as in the SSD paper; recipes/ssd_depthwise_notes_voc.py has those of the notes on
# the ultra-light detector.
_base_ = [
    './_base_/models/ssd_depthwise.py',
    './_base_/pipelines/ssd320x240.py',
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
optim_wrapper = dict(optimizer=dict(lr=1e-2))
model = dict(bbox_head=dict(num_classes=20, matcher=dict(ignored='match')))
