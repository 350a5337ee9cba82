# SSD300 on VOC2007+2012 with many-to-many matching: every pair of prior and object with an IoU above 0.5 counts, so that a prior
# may serve several objects.
_base_ = ['./ssd300_voc.py', './_base_/recipes/many_to_many.py']
model = dict(bbox_head=_base_.many_to_many)
