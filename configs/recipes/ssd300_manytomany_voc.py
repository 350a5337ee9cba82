# SSD300 on VOC2007+2012 with many-to-many matching, and the loss as the text on it writes it: a plain sum
# (_base_/variations/many_to_many.py). For SSD's loss over the pairs instead, take many_to_many.normalized from there,
# with the learning rate of ssd300_voc.py.
_base_ = ['../ssd300_voc.py', '../_base_/variations/many_to_many.py']
model = dict(bbox_head=_base_.pop('many_to_many').text)
# The text names no learning rate. Sums over the hundreds of pairs of a batch need one that much lower, and as much more
# weight decay, which the rate multiplies.
optim_wrapper = dict(optimizer=dict(lr=2e-6, weight_decay=0.25))
# No warm-up.
param_scheduler = _base_.param_scheduler[1:]
custom_hooks = [*_base_.custom_hooks, dict(type='DroppedPairsHook')]
