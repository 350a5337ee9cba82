# The pipelines of ssd300.py at 320x320.
_base_ = './ssd300.py'
__scale = (320, 320)
train_pipeline = [dict(step, scale=__scale) if 'scale' in step else step for step in _base_.train_pipeline]
test_pipeline = [dict(step, scale=__scale) if 'scale' in step else step for step in _base_.test_pipeline]
