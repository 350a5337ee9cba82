# What the detectors in this folder share: loading, schedule, validation and hooks for a few hundred to some ten
# thousand images. tools/new_config.py writes the rest: data, classes, priors, and a length that suits the data.
_base_ = ['../datasets/loaders.py', '../default_runtime.py']

train_dataloader = dict(batch_size=16, num_workers=1)
val_dataloader = dict(num_workers=1)
test_dataloader = val_dataloader
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator

train_cfg = dict(type='StreamTrainLoop', max_iters=3600, val_interval=1200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=3600, eta_min=1e-4),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)
default_hooks = dict(checkpoint=dict(interval=1200))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ChannelsLastHook'),
    dict(type='KeepHostMemoryHook'),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.01, priority=49),
]
