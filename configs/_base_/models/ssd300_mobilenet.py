# SSD300 on MobileNets as in pytorch-ssd (github.com/qfgaohao/pytorch-ssd, vision/ssd/config/mobilenetv1_ssd_config.py):
# feature maps 19, 10, 5, 3, 2, 1; 3000 priors, clipped to the image as cxcywh; background first; RGB, (x - 127) / 128.
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[127.0] * 3,
        std=[128.0] * 3,
        bgr_to_rgb=True,
        pad_size_divisor=1,
        non_blocking=True,
    ),
    neck=dict(type='SSDExtraLayers', strides=(2, 2, 2, 2), paddings=(1, 1, 1, 1)),
    bbox_head=dict(
        type='MultiBoxHead',
        background='first',
        prior_generator=dict(
            type='SSDPriorGenerator',
            input_size=300,
            strides=[16, 32, 64, 100, 150, 300],
            sizes=[(60, 105), (105, 150), (150, 195), (195, 240), (240, 285), (285, 330)],
            aspect_ratios=[[2, 3]] * 6,
            centers='step',
            clip='centers',
        ),
        bbox_coder=dict(type='VarianceBBoxCoder', center_variance=0.1, size_variance=0.2, clip_border=False),
        matcher=dict(type='SSDMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='MultiBoxLoss', neg_pos_ratio=3),
    ),
    test_cfg=dict(score_thr=0.01, nms_pre=200, nms=dict(type='nms', iou_threshold=0.45), max_per_img=-1),
)
