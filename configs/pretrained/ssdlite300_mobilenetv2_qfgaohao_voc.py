# SSDLite on MobileNetV2 at 300x300 on VOC2007+2012 as in pytorch-ssd (github.com/qfgaohao/pytorch-ssd): its weights
# load after tools/convert_checkpoint.py. Published for them: 68.6 mAP on VOC2007 test (its README). The first feature
# map is the expansion in MobileNetV2's layer 14, which has stride 16 and 576 channels.
_base_ = './ssd300_mobilenetv1_qfgaohao_voc.py'
__layers = dict(norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU6'))
model = dict(
    backbone=dict(
        _delete_=True,
        type='TorchvisionMobileNet',
        arch='mobilenet_v2',
        out_indices=(14, 18),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://mobilenet_v2'),
    ),
    neck=dict(
        in_channels=(576, 1280),
        out_channels=(512, 256, 256, 64),
        mid_channels=(256, 128, 128, 64),
        separable=True,
        linear=True,
        **__layers,
    ),
    bbox_head=dict(in_channels=(576, 1280, 512, 256, 256, 64), predictor=['separable'] * 5 + ['pointwise'], **__layers),
)
