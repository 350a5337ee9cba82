# For a node of 8 GPUs: bfloat16, channels last, a compiled network, EMA, and gradient clipping for the higher learning
# rate.
cluster = dict(
    optim_wrapper=dict(type='BFloat16OptimWrapper', clip_grad=dict(max_norm=35)),
    hooks=[
        dict(type='ChannelsLastHook'),
        dict(type='CompileHook'),
        # At 256 images per iteration, as long an average as that over 5000 iterations of 32 images.
        dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0016, priority=49),
    ],
)
