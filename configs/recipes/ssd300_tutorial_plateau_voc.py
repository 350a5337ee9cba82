# The same as ssd300_tutorial_voc.py, but with the schedule that the tutorial describes in its README of 2019: when the
# validation loss has not fallen for long, the learning rate is divided by 10, and training continues from the best
# checkpoint so far, the one with the lowest validation loss. Published for it: 77.1 mAP on VOC2007 test; its best
# checkpoint was that of epoch 186. As in the tutorial, the validation images are the test images of VOC2007.
_base_ = ['./ssd300_tutorial_voc.py', '../_base_/variations/plateau.py']
__plateau = _base_.pop('plateau')
model = __plateau.model
param_scheduler = [__plateau.decay]
custom_hooks = [*_base_.custom_hooks, __plateau.hook]
default_hooks = dict(checkpoint=__plateau.checkpoint)
