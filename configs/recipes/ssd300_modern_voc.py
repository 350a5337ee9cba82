# SSD300 on VOC2007+2012 with modern training: quality focal loss instead of mining, DIoU of decoded boxes instead of
# smooth L1, a cosine schedule, EMA, bfloat16, and mosaics except in the last tenth of the iterations.
# _base_/variations/modern.py names the sources.
_base_ = ['../ssd300_voc.py', '../_base_/variations/modern.py']
__modern = _base_.pop('modern')
model = __modern.model
optim_wrapper = __modern.optim_wrapper
__warmup, __ = _base_.param_scheduler
param_scheduler = [__warmup, dict(__modern.cosine, begin=__warmup.end, end=_base_.train_cfg.max_iters)]
custom_hooks = [*_base_.custom_hooks, __modern.ema, __modern.mosaic_switch]

# The datasets load images; the mix of them augments.
__steps = {step.type: step for step in _base_.train_pipeline}
__load = [__steps['LoadEncodedImage'], __steps['LoadAnnotations']]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='AugmentedMixDataset',
        dataset=dict(
            _base_.train_dataloader.dataset,
            datasets=[dict(year, pipeline=__load) for year in _base_.train_dataloader.dataset.datasets],
        ),
        pipeline=[dict(__modern.mosaic, augment=__steps['FusedSSDAugment']), __steps['PackDetInputs']],
    )
)
