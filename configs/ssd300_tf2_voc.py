# SSD300 on VOC2007+2012 as guides for TensorFlow 2 build it: priors by scale (0.1 on the first map, 0.2 to 0.9 over the others, 1
# after the last), L = (L_conf + alpha L_loc) / N and 0 when no prior is matched, and a backbone to choose: VGG-16 here, MobileNetV1
# and MobileNetV2 in ssd300_tf2_mobilenetv{1,2}_voc.py, a line each. Offsets are scaled by 10 for the centre and 5 for the size,
# which is to divide by the variances 0.1 and 0.2, as the original does; a guide that has the two the other way round has them
# wrong.
_base_ = './ssd300_voc.py'
model = dict(
    bbox_head=dict(
        prior_generator=dict(sizes=None, scale_range=(0.2, 0.9), first_scale=0.1, next_scale=1.0, centers='featmap'),
        bbox_coder=dict(center_variance=1 / 10, size_variance=1 / 5),
        loss_multibox=dict(alpha=1.0),
    )
)
