# SSD300 on MobileNetV1 on VOC2007+2012 as in pytorch-ssd (github.com/qfgaohao/pytorch-ssd): its weights load after
# tools/convert_checkpoint.py. Published for them: 67.5 mAP on VOC2007 test (its README).
_base_ = [
    '../_base_/models/ssd300_mobilenet.py',
    '../_base_/pipelines/ssd300.py',
    '../_base_/datasets/voc.py',
    '../_base_/schedules/ssd_voc.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(year, pipeline=_base_.train_pipeline) for year in _base_.train_dataloader.dataset.datasets],
        augment=dict(fill=[127.0] * 3),
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-2))
model = dict(
    backbone=dict(type='MobileNetV1', out_indices=(12, 14)),
    neck=dict(in_channels=(512, 1024), out_channels=(512, 256, 256, 256), mid_channels=(256, 128, 128, 128)),
    bbox_head=dict(num_classes=20, in_channels=(512, 1024, 512, 256, 256, 256), matcher=dict(ignored='match')),
)
