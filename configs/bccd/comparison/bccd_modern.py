# Modern training on BCCD: bccd_baseline.py with quality focal loss, DIoU, a cosine schedule, EMA, and mosaics except in
# the last three tenths of the iterations (without bfloat16, which few CPUs compute fast).
_base_ = ['./bccd_baseline.py', '../../_base_/variations/modern.py']
__modern = _base_.pop('modern')
model = __modern.model
__warmup, __ = _base_.param_scheduler
param_scheduler = [__warmup, dict(__modern.cosine, begin=__warmup.end, end=_base_.train_cfg.max_iters)]
# Training is shorter, so the average is over fewer iterations.
custom_hooks = [
    *_base_.custom_hooks,
    dict(__modern.ema, momentum=0.01),
    dict(__modern.mosaic_switch, share=0.3),
]
# The dataset loads images; the mix of them augments.
__steps = {step.type: step for step in _base_.train_pipeline}
__load = [__steps['LoadEncodedImage'], __steps['LoadAnnotations']]
__dataset = _base_.train_dataloader.dataset
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='AugmentedMixDataset',
        augment=__dataset.pop('augment'),
        dataset=dict(__dataset, pipeline=__load),
        pipeline=[dict(__modern.mosaic, augment=__steps['FusedSSDAugment']), __steps['PackDetInputs']],
    )
)
