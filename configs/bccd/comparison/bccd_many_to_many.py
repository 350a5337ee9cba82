# Recipe 2 on BCCD: bccd_baseline.py with many-to-many matching and SSD's loss over the pairs.
_base_ = ['./bccd_baseline.py', '../../_base_/variations/many_to_many.py']
model = dict(bbox_head=_base_.pop('many_to_many').normalized)
custom_hooks = [*_base_.custom_hooks, dict(type='DroppedPairsHook')]
