# SSD300 on COCO 2017 as in torchvision (torchvision/models/detection/ssd.py): its weights load after
# tools/convert_checkpoint.py. Published for them: 25.1 box AP on COCO val2017 (torchvision's model page).
_base_ = '../ssd300_coco.py'
train_dataloader = dict(dataset=dict(augment=dict(fill=[123.0, 117.0, 104.0])))
model = dict(
    # torchvision's means are fractions of 255, and it divides by no standard deviation.
    data_preprocessor=dict(mean=[255 * mean for mean in (0.48235, 0.45882, 0.40784)], std=[1.0] * 3),
    backbone=dict(
        init_cfg=[
            dict(type='Xavier', layer='Conv2d', distribution='uniform'),
            dict(type='Pretrained', checkpoint='torchvision://vgg16.imagenet1k_features'),
        ]
    ),
    bbox_head=dict(
        background='first',
        # torchvision numbers the classes by COCO's category ids, ten of which are unused.
        unused_outputs=(12, 26, 29, 30, 45, 66, 68, 69, 71, 83),
        prior_generator=dict(clip='sizes'),
    ),
)
