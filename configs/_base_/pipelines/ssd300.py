# The augmentation of SSD (arXiv 1512.02325, sections 2.2 and 3.6): zoom-out, IoU-constrained crop, flip, photometric
# distortion.
__scale = (300, 300)
train_pipeline = [
    dict(type='LoadEncodedImage'),
    # Boxes as an array: MMDetection's own box type serves transforms that follow, and costs time.
    dict(type='LoadAnnotations', with_bbox=True, box_type=None),
    dict(type='FusedSSDAugment', scale=__scale, fill=[123.675, 116.28, 103.53]),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape')),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=__scale, keep_ratio=False),
    # After the resize, so that ground-truth boxes stay in pixels of the original image.
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')),
]
