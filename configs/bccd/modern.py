# Modern training on BCCD: as depthwise.py, with quality focal loss, DIoU, a cosine schedule, EMA, and mosaics in the first part of
# training (no bfloat16, which few CPUs compute fast).
_base_ = ['./depthwise.py', '../_base_/recipes/modern.py']
model = _base_.modern.model
param_scheduler = [
    _base_.param_scheduler[0],
    dict(begin=_base_.param_scheduler[0].end, end=_base_.train_cfg.max_iters, **_base_.modern.cosine),
]
# An average over fewer iterations, as there are fewer.
custom_hooks = [
    *_base_.custom_hooks,
    dict(_base_.modern.hooks[0], momentum=0.01),
    dict(_base_.modern.hooks[1], share=0.3),
]
loading, augment, packing = _base_.train_pipeline[:2], _base_.train_pipeline[2], _base_.train_pipeline[3]
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=dict(_base_.train_dataloader.dataset, pipeline=loading),
        pipeline=[dict(augment=augment, **_base_.modern.mosaic), packing],
    )
)
