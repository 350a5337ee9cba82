# SSDLite at 320x320 (arXiv 1801.04381, section 6.2): depthwise separable predictors and extra layers with batch norm
# and ReLU6, feature maps 20, 10, 5, 3, 2, 1; 3234 priors.
__norm_cfg = dict(type='BN', eps=0.001, momentum=0.03)
__act_cfg = dict(type='ReLU6')
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
        non_blocking=True,
    ),
    neck=dict(
        type='SSDExtraLayers',
        out_channels=(512, 256, 256, 128),
        strides=(2, 2, 2, 2),
        paddings=(1, 1, 1, 1),
        separable=True,
        norm_cfg=__norm_cfg,
        act_cfg=__act_cfg,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.03),
    ),
    bbox_head=dict(
        type='MultiBoxHead',
        predictor='separable',
        norm_cfg=__norm_cfg,
        act_cfg=__act_cfg,
        init_cfg=dict(type='Normal', layer='Conv2d', std=0.03),
        prior_generator=dict(
            type='SSDPriorGenerator', input_size=320, strides=[16, 32, 64, 107, 160, 320], aspect_ratios=[[2, 3]] * 6
        ),
        bbox_coder=dict(type='VarianceBBoxCoder', center_variance=0.1, size_variance=0.2),
        matcher=dict(type='SSDMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='MultiBoxLoss', neg_pos_ratio=3),
    ),
    test_cfg=dict(score_thr=0.02, nms_pre=1000, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200),
)
