# VGG-SSD on VOC2007+2012 as in pytorch-ssd (github.com/qfgaohao/pytorch-ssd): its weights load after tools/convert_checkpoint.py.
# Published for them: 77.26 mAP on VOC2007 test (its README). As ssd.pytorch, but conv4_3 goes through a batch norm.
_base_ = './ssd300_ssdpytorch_voc.py'
model = dict(neck=dict(l2_norm_scale=None, first_norm_cfg=dict(type='BN')))
