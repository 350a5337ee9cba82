# Decay of the learning rate when the validation loss has stopped falling, and return to the best weights so far, which
# are those of the lowest validation loss; for a config's model, param_scheduler, custom_hooks and default_hooks.
plateau = dict(
    model=dict(type='MultiBoxDetector', val_loss=True),
    decay=dict(type='ReduceOnPlateauLR', monitor='val_loss', rule='less', factor=0.1, patience=10, min_value=1e-6),
    hook=dict(type='ReturnToBestHook'),
    checkpoint=dict(save_best='val_loss', rule='less'),
)
