# Decay of the learning rate when the validation loss has stopped falling, for a config's model and param_scheduler.
plateau = dict(
    model=dict(type='MultiBoxDetector', val_loss=True),
    decay=dict(type='ReduceOnPlateauLR', monitor='val_loss', rule='less', factor=0.1, patience=5, min_value=1e-6),
)
