# SSD at 320x320 on timm's ResNet-18 on VOC2007+2012, from ImageNet weights: pip install -e ".[timm]". Another model of
# timm is another model.backbone.name. MMDetection's own ResNet takes two lines in a config that inherits:
#
#     _base_ = 'ssd_plugin::ssd320_resnet18_voc.py'
#     model = dict(backbone=dict(_delete_=True, type='ResNet', depth=18, out_indices=(1, 2, 3)))
#
# and one more for weights: init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18').
_base_ = [
    './_base_/models/ssd320_timm.py',
    './_base_/pipelines/ssd320.py',
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
# Batch norm allows the new layers a learning rate ten times as high as the paper's, which pretrained ones keep.
optim_wrapper = dict(optimizer=dict(lr=1e-2), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
model = dict(backbone=dict(name='resnet18'), bbox_head=dict(num_classes=20, matcher=dict(ignored='match')))
