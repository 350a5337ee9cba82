# SSD300 on VOC2007+2012 with modern training: quality focal loss in place of mining, DIoU of decoded boxes in place of smooth L1,
# cosine schedule, EMA, bfloat16, and mosaics but for the last tenth of the iterations (_base_/recipes/modern.py, which says where
# from).
_base_ = ['./ssd300_voc.py', './_base_/recipes/modern.py']
model = _base_.modern.model
optim_wrapper = _base_.modern.optim_wrapper
param_scheduler = [
    _base_.param_scheduler[0],
    dict(begin=_base_.param_scheduler[0].end, end=_base_.train_cfg.max_iters, **_base_.modern.cosine),
]
custom_hooks = [*_base_.custom_hooks, *_base_.modern.hooks]

# Data sets load, the mixture of them augments.
loading, augment, packing = _base_.train_pipeline[:2], _base_.train_pipeline[2], _base_.train_pipeline[3]
[dataset.update(pipeline=loading) for dataset in _base_.train_dataloader.dataset.datasets]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=_base_.train_dataloader.dataset,
        pipeline=[dict(augment=augment, **_base_.modern.mosaic), packing],
    )
)
