# The depthwise detector on BCCD (364 photographs of blood cells in VOC layout), from scratch on a CPU: the example for
# a dataset of your own. Inherit it, and change data_root, the classes, the prior sizes and the augmentation.
_base_ = [
    '../_base_/models/ssd_depthwise.py',
    '../_base_/pipelines/ssd320x240.py',
    '../_base_/datasets/loaders.py',
    '../_base_/default_runtime.py',
]

data_root = 'data/bccd/'
metainfo = dict(classes=('RBC', 'WBC', 'Platelets'), palette=[(230, 25, 75), (0, 130, 200), (255, 225, 25)])
model = dict(
    bbox_head=dict(
        num_classes=3,
        matcher=dict(ignored='match'),
        # Training from scratch benefits from batch norm in the predictors too.
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

__dataset = dict(type='CheckedVOCDataset', data_root=data_root, metainfo=metainfo, data_prefix=dict(sub_data_root=''))
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        ann_file='ImageSets/Main/trainval.txt',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
        # Less zoom and larger patches than for photographs of everyday objects: cells vary little in size.
        augment=dict(
            zoom_out_prob=0.3,
            zoom_out_ratio=(1, 1.5),
            constraints=(0.0,),
            crop_scale=(0.5, 1.0),
            # Cells have no upright orientation.
            flip_prob=[0.25, 0.25, 0.25],
            flip_direction=['horizontal', 'vertical', 'diagonal'],
        ),
        **__dataset,
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(ann_file='ImageSets/Main/test.txt', test_mode=True, pipeline=_base_.test_pipeline, **__dataset),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='VOCMetric', metric='mAP', eval_mode='11points')
test_evaluator = val_evaluator

train_cfg = dict(type='StreamTrainLoop', max_iters=3600, val_interval=1200)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    # After 240 iterations from scratch, AdamW at 0.015 and 0.03 was far ahead of SGD at 0.02, 0.06 and 0.2.
    optimizer=dict(type='AdamW', lr=0.02, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=10),
)
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
