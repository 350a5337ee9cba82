# The depthwise detector on BCCD (blood cells, 364 photographs in VOC layout), from scratch on a CPU: the example for a data set
# of your own. Copy it, and change classes, data_root and the sizes of the priors.
_base_ = [
    './_base_/models/ssd_depthwise.py',
    './_base_/pipelines/ssd320x240.py',
    './_base_/datasets/loaders.py',
    './_base_/default_runtime.py',
]

data_root = 'data/bccd/'
classes = ('RBC', 'WBC', 'Platelets')
metainfo = dict(classes=classes, palette=[(230, 25, 75), (0, 130, 200), (255, 225, 25)])
model = dict(
    bbox_head=dict(
        num_classes=len(classes),
        matcher=dict(ignored='match'),
        # From scratch, batch norm helps in the predictors too.
        norm_cfg=dict(type='BN'),
        prior_generator=dict(
            # In pixels at 320x240: platelets measure 14 to 36, red cells 37 to 65, white cells 52 to 137.
            scale_range=None,
            first_scale=None,
            sizes=[(18, 28), (40, 60), (80, 110), (110, 150)],
            aspect_ratios=[[1.5], [1.5], [1.5], [1.5]],
        ),
    )
)

# Less zoom and larger patches than for photographs of things: cells have much the same size everywhere.
_base_.train_pipeline[2].update(
    zoom_out_prob=0.3,
    zoom_out_ratio=(1, 1.5),
    constraints=(0.0,),
    crop_scale=(0.5, 1.0),
    # A cell has no upright.
    flip_prob=[0.25, 0.25, 0.25],
    flip_direction=['horizontal', 'vertical', 'diagonal'],
)
dataset = dict(type='CheckedVOCDataset', data_root=data_root, metainfo=metainfo, data_prefix=dict(sub_data_root=''))
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        ann_file='ImageSets/Main/trainval.txt',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
        **dataset,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='ImageSets/Main/test.txt', test_mode=True, pipeline=_base_.test_pipeline, **dataset),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator

max_iters = 3600
train_cfg = dict(type='StreamTrainLoop', max_iters=max_iters, val_interval=1200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    # Few iterations from scratch: AdamW at 0.015 and 0.03 was far ahead of SGD at 0.02, 0.06 and 0.2 after 240 of them.
    optimizer=dict(type='AdamW', lr=0.02, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, end=max_iters, eta_min=1e-4),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)
default_hooks = dict(checkpoint=dict(interval=1200))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='ChannelsLastHook'),
    dict(type='KeepHostMemoryHook'),
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.01, priority=49),
]
