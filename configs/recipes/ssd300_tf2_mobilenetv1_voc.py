# The same as ssd300_tf2_voc.py, on MobileNetV1, which starts from random weights, unlike VGG-16 and MobileNetV2, and
# therefore at ten times their learning rate. ssd300_tf2_mobilenetv1_imagenet_voc.py starts from ImageNet weights.
_base_ = ['./ssd300_tf2_voc.py', '../_base_/variations/ssd300_on_mobilenetv1.py']
model = _base_.pop('ssd300_on_mobilenetv1')
optim_wrapper = dict(optimizer=dict(lr=1e-2))
