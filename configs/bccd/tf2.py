# Recipe 4 on BCCD: as depthwise.py, with s_{m+1} = 1; its loss is that of depthwise.py.
_base_ = './depthwise.py'
model = dict(bbox_head=dict(prior_generator=dict(next_scale=1.0)))
