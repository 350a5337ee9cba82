# The recipe for COCO: 400k iterations, learning rate 1e-3 for 280k, 1e-4 for 80k and 1e-5 for 40k.
_base_ = './ssd_voc.py'
train_cfg = dict(max_iters=400000, val_interval=20000)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=False, milestones=[280000, 360000], gamma=0.1),
]
