# Optimizer for networks that train from scratch: after 240 iterations on BCCD, AdamW at 0.015 and 0.03 was far ahead
# of SGD at 0.02, 0.06 and 0.2.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.02, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=10),
)
