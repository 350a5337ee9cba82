# SSD300 on VOC2007+2012 as guides for TensorFlow 2 build it: priors by scale (0.1 on the first feature map, 0.2 to 0.9
# on the others, 1 after the last), positive above the threshold, L = (L_conf + alpha L_loc) / N, 0 when no prior is
# matched, and a choice of backbones: VGG-16 here, MobileNetV1 and MobileNetV2 in ssd300_tf2_mobilenetv1_voc.py and
# ssd300_tf2_mobilenetv2_voc.py. Offsets are multiplied by 10 for the center and by 5 for the size, which equals
# dividing by the variances 0.1 and 0.2 of the original; a guide that swaps the two is wrong.
_base_ = '../ssd300_voc.py'
model = dict(
    bbox_head=dict(
        prior_generator=dict(sizes=None, scale_range=(0.2, 0.9), first_scale=0.1, next_scale=1.0, centers='featmap'),
        bbox_coder=dict(center_variance=1 / 10, size_variance=1 / 5),
        matcher=dict(inclusive=False),
        loss_multibox=dict(alpha=1.0),
    )
)
# No warm-up.
param_scheduler = _base_.param_scheduler[1:]
