# The same as ssd300_tf2_mobilenetv1_voc.py, from ImageNet weights of timm (mobilenetv1_100, which is trained with ReLU6
# and images of mean and standard deviation 127.5), at the learning rate of pretrained weights. They are downloaded
# once, by timm: pip install -e ".[timm]". From a copy:
# --cfg-options model.backbone.init_cfg.checkpoint=FILE
_base_ = './ssd300_tf2_mobilenetv1_voc.py'
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3),
    backbone=dict(
        act_cfg=dict(type='ReLU6'),
        init_cfg=dict(type='TimmInit', model='mobilenetv1_100.ra4_e3600_r224_in1k', checkpoint=None),
    ),
)
train_dataloader = dict(dataset=dict(augment=dict(fill=[127.5] * 3)))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
