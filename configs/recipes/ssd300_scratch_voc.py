# SSD300 on VOC2007 trainval as in "SSD in PyTorch from scratch", where scratch means written from scratch: VGG-16
# starts from ImageNet weights, with fc6 and fc7 converted; offsets have no variances; a prior is positive above the
# threshold.
# What the text leaves open is that of github.com/explainingai-code/SSD-PyTorch, which trains the same images for the
# same 100 epochs: the learning rate is halved after epochs 40, 50, 60, 70, 80 and 90. Published, on VOC2007 test, with
# its memory:
#   batch  8, accumulation 1   0.7189 mAP, about 3 GB   this config
#   batch 32, accumulation 8   0.40 mAP, 9.6 GB         --cfg-options train_dataloader.batch_size=32
#                                                                     optim_wrapper.accumulative_counts=8
#   batch 32, accumulation 1   9.0 GB                   --cfg-options train_dataloader.batch_size=32
# The schedule is in epochs and follows. The text's second learning rate: --cfg-options optim_wrapper.optimizer.lr=1e-2
# Without pretrained weights: ssd300_random_init_voc.py.
_base_ = '../ssd300_voc.py'
__xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform')
model = dict(
    neck=dict(init_cfg=__xavier),
    bbox_head=dict(
        init_cfg=__xavier,
        # Priors by scale: 0.1 on the first feature map, 0.2 to 0.9 on the five others, 1 after the last.
        prior_generator=dict(sizes=None, scale_range=(0.2, 0.9), first_scale=0.1, next_scale=1.0, centers='featmap'),
        bbox_coder=dict(center_variance=1.0, size_variance=1.0),
        matcher=dict(inclusive=False, contested='last'),
    ),
)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        # VOC2007 alone.
        datasets=_base_.train_dataloader.dataset.datasets[:1],
        # Crops and colors of torchvision's transforms.
        augment=dict(crop_sampling='sides', crop_tries=40, color_jitter='torchvision', brightness=(0.875, 1.125)),
    ),
)
# Biases learn and decay like weights.
optim_wrapper = dict(accumulative_counts=1, paramwise_cfg=dict(bias_lr_mult=1.0, bias_decay_mult=1.0))
train_cfg = dict(_delete_=True, type='StreamTrainLoop', max_epochs=100, val_interval=10)
param_scheduler = [dict(type='MultiStepLR', milestones=[40, 50, 60, 70, 80, 90], gamma=0.5, convert_to_iter_based=True)]
auto_scale_lr = dict(base_batch_size=8)
