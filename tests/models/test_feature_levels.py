"""Channels and strides that a config leaves out are those of its network."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet.registry import MODELS

from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.cli.trained_settings import compare
from ssd_plugin.errors import UserError
from ssd_plugin.models.feature_levels import complete_levels, stride_of
from tests.support import config

NAMES = ['ssd_depthwise_320x240_voc.py', 'ssd300_voc.py', 'ssdlite320_mobilenetv3_coco.py', 'ssd300_r50_coco.py']


def without_lists(name):
    """The config of a detector that leaves channels and strides to its network."""
    cfg = config(name)
    cfg.model.type = 'MultiBoxDetector'
    cfg.model.backbone.init_cfg = None
    for part, key in (('neck', 'in_channels'), ('bbox_head', 'in_channels')):
        del cfg.model[part][key]
    del cfg.model.bbox_head.prior_generator['strides']
    return cfg


@pytest.mark.parametrize('name', NAMES)
def test_channels_and_cells_are_those_that_the_config_has_as_lists(name):
    listed, found = config(name).model, complete_levels(without_lists(name).model)
    assert tuple(found.neck.in_channels) == tuple(listed.neck.in_channels)
    assert tuple(found.bbox_head.in_channels) == tuple(listed.bbox_head.in_channels)
    listed.type, listed.backbone.init_cfg = 'MultiBoxDetector', None
    with torch.device('meta'):
        detectors = [MODELS.build(model) for model in (listed, found)]
    ours, theirs = (detector.bbox_head.prior_generator for detector in detectors)
    assert ours.featmap_sizes == theirs.featmap_sizes
    assert detectors[0].state_dict().keys() == detectors[1].state_dict().keys()


def test_strides_of_the_paper_are_found():
    found = complete_levels(without_lists('ssdlite320_mobilenetv3_coco.py').model)
    assert found.bbox_head.prior_generator.strides == [(s, s) for s in (16, 32, 64, 107, 160, 320)]
    rectangle = complete_levels(without_lists('ssd_depthwise_320x240_voc.py').model)
    # 8 rows and 4 rows of 240 pixels.
    assert rectangle.bbox_head.prior_generator.strides == [(8, 8), (16, 16), (32, 30), (64, 60)]


@given(st.integers(1, 2000).flatmap(lambda side: st.tuples(st.just(side), st.integers(1, side))))
def test_a_stride_gives_its_number_of_cells(pair):
    side, cells = pair
    assert math.ceil(side / stride_of(side, cells)) == cells


def test_a_detector_of_lists_and_one_without_them_are_the_same():
    listed = config('ssd_depthwise_320x240_voc.py').model
    listed.type = 'MultiBoxDetector'
    detectors = []
    for model in (listed, without_lists('ssd_depthwise_320x240_voc.py').model):
        torch.manual_seed(3)
        detectors.append(MODELS.build(model).eval())
    # What is found out does not touch the random numbers.
    first, second = (detector.state_dict() for detector in detectors)
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_complete_config_is_taken_as_it_is():
    model = config('ssd300_voc.py').model
    assert complete_levels(model) is model


def test_the_config_is_not_changed():
    model = without_lists('ssd_depthwise_320x240_voc.py').model
    before = model.copy()
    MODELS.build(model.copy())
    assert complete_levels(model) is not model and model == before


@pytest.mark.parametrize(
    'options, message',
    [
        (
            {'neck.in_channels': (64, 128, 255)},
            r'model.backbone gives channels \(64, 128, 256\), model.neck.in_channels is \(64, 128, 255\)',
        ),
        (
            {'bbox_head.in_channels': (64, 128, 256)},
            r'model.neck gives channels \(64, 128, 256, 256\), model.bbox_head.in_channels is \(64, 128, 256\)',
        ),
        (
            {'bbox_head.prior_generator.aspect_ratios': [[2], [2], [2]]},
            r'model.neck gives 4 feature maps \(40x30, 20x15, 10x8, 5x4\), '
            'model.bbox_head.prior_generator.aspect_ratios has 3',
        ),
        ({'bbox_head.predictor': ['dense']}, 'gives 4 feature maps .*, model.bbox_head.predictor has 1'),
        ({'backbone.in_channels': 0}, 'in_channels must be a whole number of 1 or more, got 0'),
    ],
)
def test_parts_that_do_not_agree_are_both_named(options, message):
    cfg = without_lists('ssd_depthwise_320x240_voc.py')
    cfg.merge_from_dict({f'model.{key}': value for key, value in options.items()})
    with pytest.raises(ValueError, match=message):
        complete_levels(cfg.model)


@pytest.mark.parametrize('part', ['neck', 'bbox_head', 'prior_generator'])
def test_another_detector_says_what_is_missing(part):
    cfg = config('ssd_depthwise_320x240_voc.py')
    if part == 'prior_generator':
        del cfg.model.bbox_head.prior_generator['strides']
    else:
        del cfg.model[part]['in_channels']
    with pytest.raises(ValueError, match='missing, which MultiBoxDetector takes from .*set model.type to it, or give'):
        MODELS.build(cfg.model)


def test_tools_find_priors_and_trained_settings_without_lists(tmp_path):
    cfg = without_lists('ssd_depthwise_320x240_voc.py')
    priors = priors_of(cfg)
    assert torch.equal(priors.used, priors_of(config('ssd_depthwise_320x240_voc.py')).used)
    detector = MODELS.build(cfg.model.copy())
    meta = dict(cfg=config('ssd_depthwise_320x240_voc.py').pretty_text)
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), tmp_path / 'a.pth')
    # Trained with lists, loaded without them.
    found = compare(cfg, str(tmp_path / 'a.pth'))
    assert found.loaded == 1 and found.settings == []


def test_priors_of_a_network_that_does_not_fit_are_one_line():
    cfg = without_lists('ssd_depthwise_320x240_voc.py')
    cfg.model.bbox_head.prior_generator.aspect_ratios = [[2]]
    with pytest.raises(UserError, match=r'feature maps .*aspect_ratios has 1'):
        priors_of(cfg)
