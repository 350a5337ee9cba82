# ssd_depthwise_bccd.py for half as long, with the augmentation of the paper instead of one for cells: docs/data.md compares it with
# MMDetection's steps.
_base_ = './ssd_depthwise_bccd.py'
max_iters = 1800
train_pipeline = [*_base_.train_pipeline]
train_pipeline[2] = dict(type='FusedSSDAugment', scale=(320, 240), fill=[127.0] * 3)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], end=max_iters)]
default_hooks = dict(checkpoint=dict(interval=max_iters))
