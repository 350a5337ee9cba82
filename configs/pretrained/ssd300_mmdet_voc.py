# SSD300 on VOC2007+2012 as MMDetection trains it; MMDetection's weights load as they are.
_base_ = '../ssd300_voc.py'
model = dict(
    data_preprocessor=dict(std=[1.0] * 3),
    backbone=dict(init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')),
    test_cfg=dict(score_thr=0.02, nms_pre=1000, min_bbox_size=0),
)
