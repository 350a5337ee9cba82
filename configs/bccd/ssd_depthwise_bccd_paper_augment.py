# The same as ssd_depthwise_bccd.py, but trained for half as long and with the augmentation of the SSD paper instead of
# that for cells; docs/data.md compares it with MMDetection's steps.
_base_ = './ssd_depthwise_bccd.py'
train_dataloader = dict(dataset=dict(augment=dict(_delete_=True)))
train_cfg = dict(max_iters=1800, val_interval=1800)
__warmup, __cosine = _base_.param_scheduler
param_scheduler = [__warmup, dict(__cosine, end=1800)]
default_hooks = dict(checkpoint=dict(interval=1800))
