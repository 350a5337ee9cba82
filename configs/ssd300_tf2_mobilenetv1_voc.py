# As ssd300_tf2_voc.py, on MobileNetV1.
_base_ = ['./ssd300_tf2_voc.py', './_base_/backbones/mobilenetv1.py']
model = _base_.network
