# SSD300 on VOC2007+2012 as in the PyTorch tutorial (github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection): its
# weights load after tools/convert_checkpoint.py. Published for them: 77.1 mAP on VOC2007 test (its README). Priors by
# scale, clipped to the image as cxcywh; background first; every prior above the threshold a candidate; Xavier uniform
# initialization; batches of 8; biases at twice the learning rate. ssd300_tutorial_plateau_voc.py decays by the
# validation loss instead.
# With a learned alpha: --cfg-options model.bbox_head.loss_multibox.alpha=learned
# With batches of 32: --cfg-options train_dataloader.batch_size=32
_base_ = ['../ssd300_voc.py', '../_base_/variations/tutorial.py']
__few, __many = [2, 0.5], [2, 3, 0.5, 0.333]
model = _base_.pop('tutorial')
model.bbox_head.prior_generator.update(
    sizes=None,
    scales=[0.1, 0.2, 0.375, 0.55, 0.725, 0.9],
    aspect_ratios=[__few, __many, __many, __many, __few, __few],
    flip=False,
    centers='featmap',
)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(
    # Biases decay too; a learned alpha does not, since weight decay would pull its logarithm to 0.
    paramwise_cfg=dict(bias_decay_mult=1.0, custom_keys={'log_alpha': dict(decay_mult=0.0)}),
    # The tutorial clips exploding gradients, which batches of 32 may have.
    clip_grad=dict(type='value', clip_value=10.0),
)
auto_scale_lr = dict(base_batch_size=8)
