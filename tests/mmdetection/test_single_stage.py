"""What MMDetection checks of its single-stage detectors, of those of our configs, on ``demo_mm_inputs``.

A difference: the images of a batch are padded to the input size of the config, since the priors belong to it;
MMDetection's tests give images of 128 x 128 pixels.
"""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.testing import demo_mm_inputs

from ssd_plugin.configs import drop_pretrained
from tests.support import config

DETECTORS = [
    'ssd_depthwise_320x240_voc.py',
    'ssdlite320_mobilenetv2_coco.py',
    'ssdlite320_mobilenetv3_coco.py',
    'pretrained/ssd_face_slim_320x240.py',
    'demo/ssd_depthwise_shapes.py',
    pytest.param('ssd300_voc.py', marks=pytest.mark.slow),
    pytest.param('ssd300_r50_coco.py', marks=pytest.mark.slow),
    pytest.param('ssd512_coco.py', marks=pytest.mark.slow),
    pytest.param('recipes/ssd300_manytomany_voc.py', marks=pytest.mark.slow),
    pytest.param('recipes/ssd300_modern_voc.py', marks=pytest.mark.slow),
]
any_detector = pytest.mark.parametrize('name', DETECTORS)


def build(name):
    cfg = config(name)
    drop_pretrained(cfg.model)
    detector = MODELS.build(cfg.model)
    width, height = detector.bbox_head.prior_generator.input_size
    classes = detector.bbox_head.num_classes
    # Labels of demo_mm_inputs begin with 1.
    inputs = demo_mm_inputs(
        2, [(3, height, width), (3, height - 3, width - 5)], num_classes=max(classes, 2), num_items=[3, 5]
    )
    for sample in inputs['data_samples']:
        sample.gt_instances.labels.clamp_(max=classes - 1)
    return detector, inputs


@any_detector
def test_parts_are_built_from_the_config(name):
    detector, _ = build(name)
    assert detector.backbone is not None and detector.bbox_head is not None and detector.data_preprocessor is not None


@any_detector
def test_mode_loss_gives_losses_by_name(name):
    detector, inputs = build(name)
    detector.init_weights()
    losses = detector.forward(**detector.data_preprocessor(inputs, True), mode='loss')
    assert {'loss_cls', 'loss_bbox'} <= set(losses)
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    assert loss > 0 and loss.isfinite()


@any_detector
def test_mode_predict_gives_samples(name):
    detector, inputs = build(name)
    data = detector.eval().data_preprocessor(inputs, False)
    with torch.no_grad():
        results = detector.forward(**data, mode='predict')
    assert len(results) == 2 and all(isinstance(result, DetDataSample) for result in results)
    for result in results:
        found = result.pred_instances
        assert isinstance(found.bboxes, torch.Tensor) and found.bboxes.shape == (len(found.scores), 4)


@any_detector
def test_mode_tensor_gives_a_tuple_of_the_raw_outputs(name):
    detector, inputs = build(name)
    data = detector.eval().data_preprocessor(inputs, False)
    with torch.no_grad():
        outputs = detector.forward(**data, mode='tensor')
    assert isinstance(outputs, tuple) and [len(maps) for maps in outputs] == [len(detector.bbox_head.cls_convs)] * 2


def test_an_unknown_mode_is_refused():
    detector, inputs = build('demo/ssd_depthwise_shapes.py')
    with pytest.raises(RuntimeError, match='Invalid mode'):
        detector.forward(**detector.data_preprocessor(inputs, False), mode='fly')
