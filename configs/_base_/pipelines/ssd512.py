_base_ = './ssd300.py'
[
    step.update(scale=(512, 512))
    for steps in (_base_.train_pipeline, _base_.test_pipeline)
    for step in steps
    if 'scale' in step
]
