# Recipe 3 on BCCD: bccd_baseline.py with s_{m+1} = 1, and four micro-batches of 8 accumulated to stand for 32.
_base_ = './bccd_baseline.py'
model = dict(bbox_head=dict(prior_generator=dict(next_scale=1.0)))
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(type='PooledOptimWrapper', accumulative_counts=4)
# Iterations count micro-batches.
train_cfg = dict(max_iters=1800, val_interval=1800)
default_hooks = dict(checkpoint=dict(interval=1800))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(type='MultiStepLR', by_epoch=False, milestones=[1200, 1500], gamma=0.1),
]
