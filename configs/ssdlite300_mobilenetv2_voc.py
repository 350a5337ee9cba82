# SSDLite on MobileNetV2 at 300x300 on VOC2007+2012, as in pytorch-ssd: the weights that it published load after
# tools/convert_checkpoint.py. Published for them: 68.6 mAP on VOC2007 test (github.com/qfgaohao/pytorch-ssd, README).
# The first feature map is the expansion of MobileNetV2's layer 14, which has stride 16 and 576 channels.
_base_ = [
    './_base_/models/ssd300_mobilenet.py', './_base_/pipelines/ssd300.py', './_base_/datasets/voc.py',
    './_base_/schedules/ssd_voc.py', './_base_/default_runtime.py'
]
[dataset.update(pipeline=_base_.train_pipeline) for dataset in _base_.train_dataloader.dataset.datasets]
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=1e-2))
layers = dict(norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU6'))
model = dict(
    backbone=dict(
        type='TorchvisionMobileNet',
        arch='mobilenet_v2',
        out_indices=(14, 18),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://mobilenet_v2')),
    neck=dict(
        in_channels=(576, 1280),
        out_channels=(512, 256, 256, 64),
        mid_channels=(256, 128, 128, 64),
        separable=True,
        linear=True,
        **layers),
    bbox_head=dict(
        num_classes=20,
        in_channels=(576, 1280, 512, 256, 256, 64),
        predictor=['separable'] * 5 + ['pointwise'],
        matcher=dict(ignored='match'),
        **layers))
