# SSD300 on VOC2007+2012 as in the PyTorch tutorial (github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection): 232
# epochs in batches of 8, a tenth of the learning rate from the 155th epoch on and a hundredth from the 194th on,
# validation after each epoch. Its weights load after tools/convert_checkpoint.py. Published for them: 77.2 mAP on
# VOC2007 test (its README since 2020; the epochs are those of 120,000 iterations of 32 images).
# Priors by scale, clipped to the image as cxcywh; background first; every prior above the threshold a candidate; Xavier
# uniform initialization; biases at twice the learning rate; the tutorial's own augmentation
# (_base_/variations/tutorial.py). ssd300_tutorial_plateau_voc.py decays by the validation loss instead.
# With batches of 32, for as many epochs: --cfg-options train_dataloader.batch_size=32
# Where gradients explode: --cfg-options optim_wrapper.clip_grad.type=value optim_wrapper.clip_grad.clip_value=10
# With a learned alpha: --cfg-options model.bbox_head.loss_multibox.alpha=learned
# With the mean L1 that the tutorial's code has in place of its text's smooth L1:
# --cfg-options model.bbox_head.loss_multibox.beta=0 model.bbox_head.loss_multibox.alpha=0.25
_base_ = ['../ssd300_voc.py', '../_base_/variations/tutorial.py']
__few, __many = [2, 0.5], [2, 3, 0.5, 0.333]
__tutorial = _base_.pop('tutorial')
model = __tutorial.model
model.update(type='MultiBoxDetector', val_loss=True)
model.bbox_head.prior_generator.update(
    sizes=None,
    scales=[0.1, 0.2, 0.375, 0.55, 0.725, 0.9],
    aspect_ratios=[__few, __many, __many, __many, __few, __few],
    flip=False,
    centers='featmap',
)
train_dataloader = dict(batch_size=8, dataset=dict(augment=__tutorial.augment))
optim_wrapper = dict(
    # Biases decay too; a learned alpha does not, since weight decay would pull its logarithm to 0.
    paramwise_cfg=dict(bias_decay_mult=1.0, custom_keys={'log_alpha': dict(decay_mult=0.0)}),
)
train_cfg = dict(_delete_=True, type='StreamTrainLoop', max_epochs=232, val_interval=1)
param_scheduler = [dict(type='MultiStepLR', milestones=[154, 193], gamma=0.1, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=8)
