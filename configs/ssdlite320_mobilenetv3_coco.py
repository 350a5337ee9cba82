# SSDLite320 on MobileNetV3-Large on COCO 2017, as in torchvision (torchvision/models/detection/ssdlite.py): its weights
# load after tools/convert_checkpoint.py. Published for them: 21.3 box AP on COCO val2017 (torchvision's model page).
# The first feature map is the expansion in MobileNetV3's layer 13, which has stride 16 and 672 channels.
_base_ = './ssdlite320_mobilenetv2_coco.py'
train_dataloader = dict(dataset=dict(augment=dict(fill=[127.5] * 3)))
model = dict(
    # (x / 255 - 0.5) / 0.5
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        _delete_=True,
        type='TorchvisionMobileNet',
        arch='mobilenet_v3_large',
        out_indices=(13, 16),
        reduced_tail=True,
        norm_cfg=_base_.model.neck.norm_cfg,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.03),
    ),
    neck=dict(in_channels=(672, 480)),
    bbox_head=dict(
        in_channels=(672, 480, 512, 256, 256, 128),
        background='first',
        # torchvision numbers the classes by COCO's category ids, ten of which are unused.
        unused_outputs=(12, 26, 29, 30, 45, 66, 68, 69, 71, 83),
        prior_generator=dict(sizes=None, scale_range=(0.2, 0.95), centers='featmap', clip='sizes'),
    ),
    test_cfg=dict(score_thr=0.001, nms_pre=300, nms=dict(iou_threshold=0.55), max_per_img=300, min_bbox_size=-1),
)
