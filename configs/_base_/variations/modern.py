# Later findings in training detectors: quality focal loss instead of mining (arXiv 2006.04388), DIoU of decoded boxes
# instead of smooth L1 of offsets (arXiv 1911.08287), a cosine schedule, an exponential moving average of the weights
# (EMA), bfloat16, and mosaics of four augmented images except in the last iterations. A config takes the parts it
# needs, as recipes/ssd300_modern_voc.py does.
modern = dict(
    model=dict(
        bbox_head=dict(
            use_sigmoid=True,
            loss_multibox=dict(_delete_=True, type='FocalMultiBoxLoss', quality=True, box_loss='diou', alpha=6.0),
        )
    ),
    optim_wrapper=dict(type='BFloat16OptimWrapper'),
    # From the end of the warm-up to the end of training: the config sets ``begin`` and ``end``.
    cosine=dict(type='CosineAnnealingLR', by_epoch=False, eta_min_ratio=0.005),
    mosaic=dict(type='MosaicSSDAugment', prob=0.5),
    ema=dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, priority=49),
    mosaic_switch=dict(type='MosaicSwitchHook', share=0.1),
)
