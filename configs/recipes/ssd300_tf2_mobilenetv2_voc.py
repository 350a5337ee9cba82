# The same as ssd300_tf2_voc.py, on MobileNetV2.
_base_ = ['./ssd300_tf2_voc.py', '../_base_/variations/ssd300_on_mobilenetv2.py']
model = _base_.pop('ssd300_on_mobilenetv2')
