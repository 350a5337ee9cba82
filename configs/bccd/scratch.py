# Recipe 3 on BCCD: as depthwise.py, with s_{m+1} = 1, and four batches of 8 accumulated to stand for 32.
_base_ = './depthwise.py'
model = dict(bbox_head=dict(prior_generator=dict(next_scale=1.0)))
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='PooledOptimWrapper', accumulative_counts=4)
# Iterations count small batches.
max_iters = 1800
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=max_iters))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(type='MultiStepLR', by_epoch=False, milestones=[1200, 1500], gamma=0.1),
]
