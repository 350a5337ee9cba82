# SSD300 on COCO 2017 on 8 GPUs with 32 images each, in bfloat16, channels last, compiled, with EMA: an eighth of the
# iterations of ssd300_coco.py at eight times its learning rate (arXiv 1706.02677), so as many images are seen.
# bash tools/dist_train.sh configs/ssd300_cluster_coco.py 8
# docs/clusters.md says what to change for other numbers of GPUs.
_base_ = ['./ssd300_coco.py', './_base_/variations/cluster.py']
__cluster = _base_.pop('cluster')
optim_wrapper = dict(optimizer=dict(lr=8e-3), **__cluster.optim_wrapper)
train_cfg = dict(max_iters=50000, val_interval=2500)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=False, milestones=[35000, 45000], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=1250))
custom_hooks = [*_base_.custom_hooks, *__cluster.hooks]
auto_scale_lr = dict(base_batch_size=256)
