# The pipelines of ssd300.py at 320x240, the input size of the depthwise detectors, whose mean fills what lies outside
# the image.
_base_ = './ssd300.py'
__scale = (320, 240)
train_pipeline = [
    dict(step, scale=__scale, fill=[127.0] * 3) if 'scale' in step else step for step in _base_.train_pipeline
]
test_pipeline = [dict(step, scale=__scale) if 'scale' in step else step for step in _base_.test_pipeline]
