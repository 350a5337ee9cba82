# Recipe 1 on BCCD: the depthwise detector with its own priors (s_min to s_max by linear interpolation) and a stepwise
# decay of the learning rate. The configs of this folder compare recipes (docs/recipes.md) with the same network,
# images, number of images seen, and optimizer, since the learning rates of the recipes need many more iterations from
# scratch. Priors, matching, loss and schedule are those of the recipes.
_base_ = '../ssd_depthwise_bccd.py'
model = dict(
    bbox_head=dict(
        prior_generator=dict(
            sizes=None, scale_range=(0.2, 0.9), first_scale=0.1, aspect_ratios=[[2], [2, 3], [2, 3], [2]]
        )
    )
)
train_cfg = dict(max_iters=900, val_interval=900)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    # At two thirds and five sixths of the iterations, as in the original schedule.
    dict(type='MultiStepLR', by_epoch=False, milestones=[600, 750], gamma=0.1),
]
default_hooks = dict(checkpoint=dict(interval=900, save_best=None))
custom_hooks = [hook for hook in _base_.custom_hooks if hook.type != 'EMAHook']
# mAP is the mean over IoU 0.5 to 0.95, pascal_voc/AP50 that at 0.5.
val_evaluator = dict(iou_thrs=[0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
test_evaluator = val_evaluator
