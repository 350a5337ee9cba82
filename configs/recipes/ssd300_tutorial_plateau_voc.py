# The same as ssd300_tutorial_voc.py, but the learning rate is divided by 10 when the validation loss has not fallen for
# six validations, instead of at 80k and 100k iterations. As in the tutorial, the validation images are the test images
# of VOC2007.
_base_ = ['./ssd300_tutorial_voc.py', '../_base_/variations/plateau.py']
__plateau = _base_.pop('plateau')
model = __plateau.model
# An epoch in batches of 8.
train_cfg = dict(val_interval=2069)
__warmup, __ = _base_.param_scheduler
param_scheduler = [__warmup, __plateau.decay]
