# Decay when the validation loss has not fallen for some validations. For a config's model, train_cfg and param_scheduler.
plateau = dict(
    model=dict(type='MultiBoxDetector', val_loss=True),
    decay=dict(type='ReduceOnPlateauLR', monitor='val_loss', rule='less', factor=0.1, patience=5, min_value=1e-6),
)
