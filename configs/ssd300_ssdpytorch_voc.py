# SSD300 on VOC2007+2012 as in ssd.pytorch (github.com/amdegroot/ssd.pytorch): its weights load after tools/convert_checkpoint.py.
# Published for them: 77.43 mAP on VOC2007 test (its README). Caffe's means, background first, priors limited to the image in
# centre form, the best 200 of a class, and all that the suppression leaves.
_base_ = './ssd300_voc.py'
[dataset.pipeline[2].update(fill=[123.0, 117.0, 104.0]) for dataset in _base_.train_dataloader.dataset.datasets]
model = dict(
    data_preprocessor=dict(mean=[123.0, 117.0, 104.0], std=[1.0] * 3),
    backbone=dict(init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')),
    bbox_head=dict(background='first', prior_generator=dict(clip='centers'), bbox_coder=dict(clip_border=False)),
    test_cfg=dict(nms_pre=200, max_per_img=-1),
)
