# The depthwise detector at 320x240 on VOC2007+2012, as the notes on the ultra-light detector describe it: the scales of
# all four feature maps by one linear interpolation from 0.1 to 0.9 (0.1, 0.367, 0.633, 0.9), aspect ratios in the order
# 1, 2, 3, 1/2, 1/3, priors positive above the threshold, and losses that are means over priors and coordinates, each a
# quarter of ours. ssd_depthwise_320x240_voc.py has 0.1 and then 0.2 to 0.9, as the SSD paper, the order of the original
# release, and the paper's division by the number of positives.
_base_ = '../ssd_depthwise_320x240_voc.py'
__few, __many = [2, 1 / 2], [2, 3, 1 / 2, 1 / 3]
model = dict(
    bbox_head=dict(
        prior_generator=dict(
            scale_range=(0.1, 0.9), first_scale=None, aspect_ratios=[__few, __many, __many, __few], flip=False
        ),
        matcher=dict(inclusive=False),
        loss_multibox=dict(reduction='mean'),
    )
)
# No warm-up.
param_scheduler = _base_.param_scheduler[1:]
