# What detectors have learned since: quality focal loss in place of mining (arXiv 2006.04388), the DIoU of decoded boxes in place of
# the smooth L1 of offsets (arXiv 1911.08287), a cosine schedule, an average of the weights (EMA), bfloat16, and mosaics of four
# augmented images but for the last iterations. A config takes the parts that it wants; see ssd300_modern_voc.py.
modern = dict(
    model=dict(
        bbox_head=dict(
            use_sigmoid=True,
            loss_multibox=dict(_delete_=True, type='FocalMultiBoxLoss', quality=True, box_loss='diou', alpha=6.0),
        )
    ),
    optim_wrapper=dict(type='BFloat16OptimWrapper'),
    # From the end of the warm-up to ``end``.
    cosine=dict(type='CosineAnnealingLR', by_epoch=False, eta_min_ratio=0.005),
    mosaic=dict(type='MosaicSSDAugment', prob=0.5),
    hooks=[
        dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, priority=49),
        dict(type='MosaicSwitchHook', share=0.1),
    ],
)
