# SSD300 on VOC2007+2012 as in the PyTorch tutorial (github.com/sgrvinod/a-PyTorch-Tutorial-to-Object-Detection): its weights load
# after tools/convert_checkpoint.py. Published for them: 77.1 mAP on VOC2007 test (its README).
# Priors by scale, limited to the image in centre form, background first, every prior above the threshold a candidate.
_base_ = './ssd300_voc.py'
few, many = [2, 0.5], [2, 3, 0.5, 0.333]
model = dict(
    bbox_head=dict(
        background='first',
        prior_generator=dict(
            sizes=None,
            scales=[0.1, 0.2, 0.375, 0.55, 0.725, 0.9],
            # The last level's extra square prior has the size of the image: sqrt(0.9 / 0.9).
            next_scale=1 / 0.9,
            aspect_ratios=[few, many, many, many, few, few],
            flip=False,
            centers='featmap',
            clip='centers'),
        bbox_coder=dict(clip_border=False)),
    test_cfg=dict(nms_pre=-1))
