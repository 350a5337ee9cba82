# Recipe 2 on BCCD: bccd_baseline.py with many-to-many matching.
_base_ = ['./bccd_baseline.py', '../../_base_/variations/many_to_many.py']
model = dict(bbox_head=_base_.pop('many_to_many'))
