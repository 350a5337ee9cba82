_base_ = './ssd300.py'
[
    step.update(scale=(320, 240))
    for steps in (_base_.train_pipeline, _base_.test_pipeline)
    for step in steps
    if 'scale' in step
]
# The mean of the depthwise detectors, which are all that have this size.
_base_.train_pipeline[2].update(fill=[127.0] * 3)
