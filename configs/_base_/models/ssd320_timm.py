# SSD at 320x320 on a model of timm: three feature maps of the backbone, strides 8, 16 and 32, and three extra ones;
# 40, 20, 10, 5, 3, 2; depthwise separable extra layers and predictors with batch norm. MultiBoxDetector takes channels
# and strides from the network, so that another backbone is a change of model.backbone alone.
__norm_cfg = dict(type='BN')
model = dict(
    type='MultiBoxDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
        non_blocking=True,
    ),
    # Weights of ImageNet, which timm downloads once. From a copy: model.backbone.checkpoint=FILE
    backbone=dict(type='TimmBackbone', pretrained=True),
    neck=dict(type='SSDExtraLayers', out_channels=(512, 256, 256), separable=True, norm_cfg=__norm_cfg),
    bbox_head=dict(
        type='MultiBoxHead',
        predictor='separable',
        norm_cfg=__norm_cfg,
        prior_generator=dict(
            type='SSDPriorGenerator',
            input_size=320,
            aspect_ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]],
            scale_range=(0.2, 0.9),
            first_scale=0.1,
        ),
        bbox_coder=dict(type='VarianceBBoxCoder', center_variance=0.1, size_variance=0.2),
        matcher=dict(type='SSDMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='MultiBoxLoss', neg_pos_ratio=3),
    ),
    test_cfg=dict(score_thr=0.01, nms_pre=400, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200),
)
