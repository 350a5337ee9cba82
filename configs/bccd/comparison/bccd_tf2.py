# Recipe 4 on BCCD: bccd_baseline.py with s_{m+1} = 1; the loss is the same.
_base_ = './bccd_baseline.py'
model = dict(bbox_head=dict(prior_generator=dict(next_scale=1.0)))
