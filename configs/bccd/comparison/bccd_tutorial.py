# Recipe 5 on BCCD: bccd_baseline.py with priors clipped to the image as cxcywh, the last extra prior as large as the
# image, Xavier uniform initialization, biases at twice the learning rate, gradients clipped by value, batches of 8, and
# a learning rate divided by 10 when the validation loss (on the test images, as in the tutorial) has not fallen for
# three validations, from where training continues at the best weights so far.
_base_ = ['./bccd_baseline.py', '../../_base_/variations/tutorial.py', '../../_base_/variations/plateau.py']
__plateau = _base_.pop('plateau')
model = dict(**_base_.pop('tutorial').model, **__plateau.model)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0), clip_grad=dict(_delete_=True, type='value', clip_value=1.0))
train_cfg = dict(max_iters=1800, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=1800, **__plateau.checkpoint))
custom_hooks = [*_base_.custom_hooks, __plateau.hook]
__warmup, __ = _base_.param_scheduler
param_scheduler = [__warmup, dict(__plateau.decay, patience=2)]
