# SSD300 on COCO 2017 with many-to-many matching: every pair of prior and object with an IoU above 0.5 is positive, so a
# prior may serve several objects.
_base_ = ['../ssd300_coco.py', '../_base_/variations/many_to_many.py']
model = dict(bbox_head=_base_.pop('many_to_many'))
