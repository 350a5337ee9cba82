# VGG-SSD on VOC2007+2012 as in pytorch-ssd (github.com/qfgaohao/pytorch-ssd): its weights load after
# tools/convert_checkpoint.py. Published for them: 77.26 mAP on VOC2007 test (its README). The same as ssd.pytorch,
# except that a batch norm follows conv4_3.
_base_ = './ssd300_amdegroot_voc.py'
model = dict(neck=dict(l2_norm_scale=None, first_norm_cfg=dict(type='BN')))
