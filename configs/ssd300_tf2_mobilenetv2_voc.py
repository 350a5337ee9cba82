# As ssd300_tf2_voc.py, on MobileNetV2.
_base_ = ['./ssd300_tf2_voc.py', './_base_/backbones/mobilenetv2.py']
model = _base_.network
