# A small detector for 320x240: 13 layers of depthwise separable convolutions, feature maps 40x30, 20x15, 10x8, 5x4.
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[127.] * 3, std=[128.] * 3, bgr_to_rgb=True, pad_size_divisor=1, non_blocking=True),
    backbone=dict(type='DepthwiseBackbone', base_channels=16, out_indices=(8, 11, 13)),
    neck=dict(
        type='SSDExtraLayers',
        in_channels=(64, 128, 256),
        out_channels=(256, ),
        mid_channels=64,
        strides=(2, ),
        paddings=(1, ),
        separable=True,
        norm_cfg=dict(type='BN')),
    bbox_head=dict(
        type='MultiBoxHead',
        in_channels=(64, 128, 256, 256),
        predictor=['separable', 'separable', 'separable', 'dense'],
        prior_generator=dict(
            type='SSDPriorGenerator',
            input_size=(320, 240),
            strides=[8, 16, 32, 64],
            scale_range=(0.2, 0.9),
            first_scale=0.1,
            next_scale='own',
            aspect_ratios=[[2], [2, 3], [2, 3], [2]]),
        bbox_coder=dict(type='VarianceBBoxCoder', center_variance=0.1, size_variance=0.2),
        matcher=dict(type='SSDMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='MultiBoxLoss', neg_pos_ratio=3)),
    test_cfg=dict(score_thr=0.01, nms_pre=400, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200))
