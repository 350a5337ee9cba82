# SSD300 on VOC2007+2012 without any pretrained weights; priors by scale (0.1 on the first feature map, 0.2 to 0.9 on
# the five others, 1 after the last); micro-batches of 8 images whose gradients are accumulated over 4 to stand for 32.
# The loss is divided by the number of positive priors in all accumulated images. Iterations count micro-batches. The
# learning rate starts with a warm-up, since random weights have large gradients at first.
# For 64 images and a higher learning rate:
# --cfg-options optim_wrapper.accumulative_counts=8 optim_wrapper.optimizer.lr=1e-2
_base_ = '../ssd300_voc.py'
__accumulate = 4
model = dict(
    backbone=dict(init_cfg=None),
    bbox_head=dict(
        prior_generator=dict(sizes=None, scale_range=(0.2, 0.9), first_scale=0.1, next_scale=1.0, centers='featmap')
    ),
)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='PooledOptimWrapper', accumulative_counts=__accumulate)
train_cfg = dict(max_iters=120000 * __accumulate, val_interval=10000 * __accumulate)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500 * __accumulate),
    dict(type='MultiStepLR', by_epoch=False, milestones=[80000 * __accumulate, 100000 * __accumulate], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=5000 * __accumulate))
