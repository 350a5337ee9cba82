_base_ = './ssd300.py'
[
    step.update(scale=(320, 320))
    for steps in (_base_.train_pipeline, _base_.test_pipeline)
    for step in steps
    if 'scale' in step
]
