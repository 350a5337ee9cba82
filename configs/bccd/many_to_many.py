# Recipe 2 on BCCD: as depthwise.py, with many-to-many matching.
_base_ = ['./depthwise.py', '../_base_/recipes/many_to_many.py']
model = dict(bbox_head=_base_.many_to_many)
