# The parts of SSD on VGG-16 (arXiv 1512.02325) that SSD300 and SSD512 share.
model = dict(
    type='SingleStageDetector',
    data_preprocessor=dict(
        type='DetDataPreprocessor',
        # Mean and standard deviation of ImageNet, with which torchvision's VGG-16 was trained.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=1,
        non_blocking=True,
    ),
    backbone=dict(type='SSDVGG16', init_cfg=dict(type='DecimatedVGG16Init', checkpoint='torchvision://vgg16')),
    neck=dict(type='SSDExtraLayers', in_channels=(512, 1024), l2_norm_scale=20),
    bbox_head=dict(
        type='MultiBoxHead',
        prior_generator=dict(type='SSDPriorGenerator', centers='step'),
        bbox_coder=dict(type='VarianceBBoxCoder', center_variance=0.1, size_variance=0.2),
        matcher=dict(type='SSDMatcher', iou_threshold=0.5),
        loss_multibox=dict(type='MultiBoxLoss', neg_pos_ratio=3),
    ),
    test_cfg=dict(score_thr=0.01, nms_pre=400, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200),
)
