# VGG-16 by decimation, conv4_3 rescaled, for 300x300: feature maps 38, 19, 10, 5, 3, 1.
network = dict(
    backbone=dict(
        _delete_=True, type='SSDVGG16', init_cfg=dict(type='DecimatedVGG16Init', checkpoint='torchvision://vgg16')),
    neck=dict(
        _delete_=True,
        type='SSDExtraLayers',
        in_channels=(512, 1024),
        out_channels=(512, 256, 256, 256),
        strides=(2, 2, 1, 1),
        paddings=(1, 1, 0, 0),
        l2_norm_scale=20),
    bbox_head=dict(
        in_channels=(512, 1024, 512, 256, 256, 256), prior_generator=dict(strides=[8, 16, 32, 64, 100, 300])))
