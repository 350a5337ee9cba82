import pytest
import torch
from mmdet.registry import MODELS

from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from ssd_plugin.interop import export_to_mmdet
from tests.interop.parity import calibrate_head, converted, random_images, randomize
from tests.interop.test_mmdetection import samples, their_detector


def our_detector(config):
    cfg = read_config(f'ssd_plugin::{config}')
    cfg.model.backbone.init_cfg = None
    detector = MODELS.build(cfg.model).eval()
    images = random_images(*detector.bbox_head.prior_generator.input_size, number=1)
    prepared = detector.data_preprocessor(dict(inputs=list(images)))['inputs']
    randomize(detector, lambda: detector(prepared))
    calibrate_head(detector.bbox_head, lambda: detector(prepared))
    return detector, images


def export(detector, folder, **options):
    torch.save(dict(meta={}, state_dict=detector.state_dict()), folder / 'ours.pth')
    return export_to_mmdet(folder / 'ours.pth', folder / 'theirs.pth', **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    'config, theirs', [('ssd300_voc.py', 'pascal_voc/ssd300_voc0712.py'), ('ssd300_coco.py', 'ssd/ssd300_coco.py')]
)
def test_mmdetection_detects_the_same_from_the_same_image(config, theirs, tmp_path):
    detector, images = our_detector(config)
    found = export(detector, tmp_path, config=f'ssd_plugin::{config}')
    assert (found.config, found.options) == (f'mmdet::{theirs}', {})
    other = their_detector(theirs)
    checkpoint = torch.load(tmp_path / 'theirs.pth', weights_only=True)
    other.load_state_dict(checkpoint['state_dict'], strict=True)
    assert checkpoint['meta']['dataset_meta']['classes'] == found.classes
    data = other.data_preprocessor(dict(inputs=list(images), data_samples=samples(images)))
    other_logits, other_deltas = other(data['inputs'])
    data = detector.data_preprocessor(dict(inputs=list(images), data_samples=samples(images)))
    logits, deltas = detector(data['inputs'])
    torch.testing.assert_close([*logits, *deltas], [*other_logits, *other_deltas], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    'config, theirs',
    [
        pytest.param('ssd512_voc.py', 'pascal_voc/ssd512_voc0712.py', marks=pytest.mark.slow),
        ('pretrained/ssd512_mmdet_coco.py', 'ssd/ssd512_coco.py'),
    ],
)
def test_ssd512_loads_strictly_into_mmdetection(config, theirs, tmp_path):
    cfg = read_config(f'ssd_plugin::{config}')
    cfg.model.backbone.init_cfg = None
    found = export(MODELS.build(cfg.model), tmp_path, config=f'ssd_plugin::{config}')
    assert found.config == f'mmdet::{theirs}'
    their_detector(theirs).load_state_dict(
        torch.load(tmp_path / 'theirs.pth', weights_only=True)['state_dict'], strict=True
    )


@pytest.mark.slow
def test_weights_of_mmdetection_come_back_unchanged(tmp_path):
    theirs = their_detector('ssd/ssd300_coco.py')
    converted(theirs.state_dict(), tmp_path)
    # A converted checkpoint names its config.
    export_to_mmdet(tmp_path / 'ours.pth', tmp_path / 'back.pth')
    back = torch.load(tmp_path / 'back.pth', weights_only=True)['state_dict']
    assert set(back) == set(theirs.state_dict())
    assert all(torch.equal(value, back[name]) for name, value in theirs.state_dict().items())


def test_own_classes_are_named_and_change_their_config(tmp_path):
    cfg = read_config('ssd_plugin::ssd300_voc.py', {'model.bbox_head.num_classes': 2})
    cfg.model.backbone.init_cfg = None
    found = export(MODELS.build(cfg.model), tmp_path, config='ssd_plugin::ssd300_voc.py', classes=['cat', 'dog'])
    assert found.classes == ('cat', 'dog') and found.options == {'model.bbox_head.num_classes': 2}


@pytest.mark.parametrize(
    'config, message',
    [
        (None, '--config'),
        ('pretrained/ssd300_amdegroot_voc.py', 'background'),
        ('bccd/ssd_depthwise_bccd.py', 'VGG-16'),
        ('recipes/ssd300_modern_voc.py', 'a softmax'),
        ('ssd512_voc.py', 'does not fit'),
    ],
)
def test_exporting_a_detector_that_mmdetection_lacks_is_refused(config, message, tmp_path):
    name = config or 'ssd300_voc.py'
    cfg = read_config('ssd_plugin::' + ('ssd300_voc.py' if name.startswith('ssd512') else name))
    cfg.model.backbone.init_cfg = None
    with pytest.raises(UserError, match=message):
        export(MODELS.build(cfg.model), tmp_path, config=config and f'ssd_plugin::{config}')
    assert not (tmp_path / 'theirs.pth').exists()


@pytest.mark.parametrize(
    'change, message',
    [
        ({'model.bbox_head.prior_generator.clip': 'corners'}, 'priors'),
        ({'model.data_preprocessor.mean': [0.0, 0.0, 0.0]}, 'means'),
        ({'model.bbox_head.bbox_coder.size_variance': 0.1}, 'variances'),
    ],
)
def test_detectors_that_mmdetection_would_compute_otherwise_are_refused(change, message, tmp_path):
    cfg = read_config('ssd_plugin::ssd300_voc.py', change)
    cfg.dump(tmp_path / 'changed.py')
    cfg.model.backbone.init_cfg = None
    with pytest.raises(UserError, match=message):
        export(MODELS.build(cfg.model), tmp_path, config=str(tmp_path / 'changed.py'))
    assert not (tmp_path / 'theirs.pth').exists()
