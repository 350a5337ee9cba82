# As ssd300_tutorial_voc.py, with a tenth of the learning rate when the validation loss has not fallen for six validations, in place
# of 80k and 100k iterations. Like the tutorial's, the validation images are VOC2007's test images.
_base_ = ['./ssd300_tutorial_voc.py', './_base_/recipes/plateau.py']
model = _base_.plateau.model
# An epoch of batches of 8.
train_cfg = dict(val_interval=2069)
param_scheduler = [_base_.param_scheduler[0], _base_.plateau.decay]
