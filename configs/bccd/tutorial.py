# Recipe 5 on BCCD: priors limited to the image in centre form, the last extra prior as large as the image, Xavier's uniform
# initialization, biases at twice the learning rate, gradients clipped by value, batches of 8, and a tenth of the learning rate when
# the validation loss (of the test images, as in the tutorial) has not fallen for three validations.
_base_ = ['./depthwise.py', '../_base_/recipes/tutorial.py', '../_base_/recipes/plateau.py']
model = dict(**_base_.tutorial, **_base_.plateau.model)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(paramwise_cfg=dict(bias_lr_mult=2.0), clip_grad=dict(_delete_=True, type='value', clip_value=1.0))
max_iters = 1800
train_cfg = dict(max_iters=max_iters, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=max_iters))
param_scheduler = [_base_.param_scheduler[0], dict(_base_.plateau.decay, patience=2)]
