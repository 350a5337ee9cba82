# SSD300 on ResNet-50 on COCO 2017, as in NVIDIA's examples (github.com/NVIDIA/DeepLearningExamples,
# PyTorch/Detection/SSD): ResNet-50 up to its conv4 stage, which has stride 1, so the first feature map is 38x38; batch
# norm in the extra layers. Published there: 25.1 box AP on COCO val2017.
_base_ = './ssd300_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 1),
        dilations=(1, 1, 1),
        out_indices=(2,),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    neck=dict(
        in_channels=(1024,),
        out_channels=(512, 512, 256, 256, 256),
        mid_channels=(256, 256, 128, 128, 128),
        strides=(2, 2, 2, 1, 1),
        paddings=(1, 1, 1, 0, 0),
        l2_norm_scale=None,
        norm_cfg=dict(type='BN'),
    ),
    bbox_head=dict(in_channels=(1024, 512, 512, 256, 256, 256)),
)
