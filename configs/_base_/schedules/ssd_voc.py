# The original recipe for VOC (arXiv 1512.02325, section 3.1): 120k iterations of 32 images, learning rate 1e-3 for 80k,
# 1e-4 for 20k and 1e-5 for 20k.
train_cfg = dict(type='StreamTrainLoop', max_iters=120000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    # Biases learn at twice the rate, without weight decay, as in the original release.
    # To clip gradients: --cfg-options optim_wrapper.clip_grad.max_norm=35
    paramwise_cfg=dict(bias_lr_mult=2.0, bias_decay_mult=0.0),
)
param_scheduler = [
    # The paper has no warm-up. MMDetection's SSD has this one, since the first gradients of the new layers are large
    # enough to end in infinite losses now and then; 500 iterations are 0.4% of the training.
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', by_epoch=False, milestones=[80000, 100000], gamma=0.1),
]
# tools/train.py --auto-scale-lr multiplies the learning rate by (GPUs x batch_size) / base_batch_size.
auto_scale_lr = dict(enable=False, base_batch_size=32)
