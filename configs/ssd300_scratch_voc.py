# SSD300 from scratch on VOC2007+2012, by the step-by-step way in which SSD is often taught: no ImageNet weights, priors by scale (0.1 on
# the first map, 0.2 to 0.9 over the five others, 1 after the last), batches of 8 whose gradients are accumulated over 4 to stand
# for 32. For 64, and the higher learning rate: --cfg-options optim_wrapper.accumulative_counts=8 optim_wrapper.optimizer.lr=1e-2
# The loss is divided by the number of foreground priors of all accumulated images. Iterations count small batches.
_base_ = './ssd300_voc.py'
accumulate = 4
model = dict(
    backbone=dict(init_cfg=None),
    bbox_head=dict(
        prior_generator=dict(sizes=None, scale_range=(0.2, 0.9), first_scale=0.1, next_scale=1.0, centers='featmap')
    ),
)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='PooledOptimWrapper', accumulative_counts=accumulate)
train_cfg = dict(max_iters=120000 * accumulate, val_interval=10000 * accumulate)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500 * accumulate),
    dict(type='MultiStepLR', by_epoch=False, milestones=[80000 * accumulate, 100000 * accumulate], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=5000 * accumulate))
