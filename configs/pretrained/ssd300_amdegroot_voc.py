# SSD300 on VOC2007+2012 as in ssd.pytorch (github.com/amdegroot/ssd.pytorch): its weights load after
# tools/convert_checkpoint.py. Published for them: 77.43 mAP on VOC2007 test (its README). Caffe's means, background
# first, priors clipped to the image as cxcywh, the best 200 candidates of each class, and every detection that
# non-maximum suppression keeps.
_base_ = '../ssd300_voc.py'
train_dataloader = dict(dataset=dict(augment=dict(fill=[123.0, 117.0, 104.0])))
model = dict(
    data_preprocessor=dict(mean=[123.0, 117.0, 104.0], std=[1.0] * 3),
    backbone=dict(init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')),
    bbox_head=dict(background='first', prior_generator=dict(clip='centers'), bbox_coder=dict(clip_border=False)),
    test_cfg=dict(nms_pre=200, max_per_img=-1),
)
