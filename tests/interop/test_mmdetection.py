import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.hub import get_config
from torch import nn

from tests.interop.parity import assert_same_detections, calibrate_head, converted, outputs, random_images, randomize


def their_detector(config, num_classes=None):
    cfg = get_config(f'mmdet::{config}').model
    cfg.backbone.init_cfg = None
    if num_classes is not None:
        cfg.bbox_head.num_classes = num_classes
    detector = MODELS.build(cfg).eval()
    if cfg.neck.l2_norm_scale is not None:
        # MMDetection's constructor leaves these weights uninitialized.
        nn.init.uniform_(detector.neck.l2_norm.weight, 10, 30)
    # MMDetection 3.3.0's SSD head reads this attribute during prediction, but does not set it.
    detector.bbox_head.loss_cls = None
    return detector


def samples(images):
    return [
        DetDataSample(metainfo=dict(img_shape=tuple(image.shape[-2:]), scale_factor=(1.0, 1.0))) for image in images
    ]


def with_live_signals(detector, size, number):
    images = random_images(size, size, number)
    many = detector.data_preprocessor(dict(inputs=list(random_images(size, size, 8))))['inputs']
    randomize(detector, lambda: detector(many))
    calibrate_head(detector.bbox_head, lambda: detector(many[:number]))
    return images


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, ours, size, number',
    [
        ('ssd/ssd300_coco.py', 'pretrained/ssd300_mmdet_coco.py', 300, 1),
        ('ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py', 'ssdlite320_mobilenetv2_coco.py', 320, 2),
    ],
)
def test_outputs_are_identical_and_detections_the_same(config, ours, size, number, tmp_path):
    theirs = their_detector(config)
    images = with_live_signals(theirs, size, number)
    detector, found = converted(theirs.state_dict(), tmp_path)
    assert (found.format, found.config, found.options) == ('mmdet', f'ssd_plugin::{ours}', {})
    data = theirs.data_preprocessor(dict(inputs=list(images), data_samples=samples(images)))
    with torch.no_grad():
        for mine, other in zip(detector(data['inputs']), theirs(data['inputs'])):
            assert all(torch.equal(a, b) for a, b in zip(mine, other)) and len(mine) == len(other)
        expected = theirs.predict(data['inputs'], data['data_samples'])
    for mine, sample in zip(outputs(detector, images).detections, expected):
        other = sample.pred_instances
        assert_same_detections(mine, other.bboxes, other.scores, other.labels)


@pytest.mark.parametrize(
    'config, ours',
    [
        ('pascal_voc/ssd300_voc0712.py', 'pretrained/ssd300_mmdet_voc.py'),
        ('pascal_voc/ssd512_voc0712.py', 'pretrained/ssd512_mmdet_voc.py'),
        ('ssd/ssd512_coco.py', 'pretrained/ssd512_mmdet_coco.py'),
    ],
)
def test_every_config_is_recognized(config, ours, tmp_path):
    theirs = their_detector(config)
    detector, found = converted(theirs.state_dict(), tmp_path)
    assert found.config == f'ssd_plugin::{ours}'
    size, stock = detector.bbox_head.prior_generator.featmap_sizes, theirs.bbox_head.prior_generator
    for mine, other in zip(
        detector.bbox_head.prior_generator.grid_priors(size, device='cpu'), stock.grid_priors(size, device='cpu')
    ):
        torch.testing.assert_close(mine, other)


def test_names_before_2_14_are_upgraded(tmp_path):
    state = their_detector('ssd/ssd300_coco.py').state_dict()
    old = {}
    for name, value in state.items():
        parts = name.split('.')
        if name.startswith('neck.extra_layers'):
            name = f'backbone.extra.{2 * int(parts[2]) + int(parts[3])}.{parts[5]}'
        elif name.startswith('neck.l2_norm'):
            name = 'backbone.l2_norm.weight'
        elif name.startswith('bbox_head'):
            name = f'bbox_head.{parts[1]}.{parts[2]}.{parts[4]}'
        old[name] = value
    assert not set(old) & {name for name in state if name.startswith(('neck', 'bbox_head'))}
    detector, _ = converted(old, tmp_path)
    assert all(torch.equal(value, state[name]) for name, value in detector.state_dict().items())


@pytest.mark.parametrize(
    'meta', [dict(CLASSES=('cat', 'dog')), dict(dataset_meta=dict(classes=['cat', 'dog'], palette=[(1, 2, 3)] * 2))]
)
def test_classes_that_the_checkpoint_names_are_kept(meta, tmp_path):
    state = their_detector('ssd/ssd300_coco.py', num_classes=2).state_dict()
    detector, found = converted(dict(state_dict=state, meta=meta), tmp_path)
    assert found.classes == ('cat', 'dog') and found.options == {'model.bbox_head.num_classes': 2}
    assert detector.bbox_head.num_classes == 2
