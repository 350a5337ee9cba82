import pytest
import torch
from mmengine.config import Config

from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.analysis.input_images import ImageObjects
from ssd_plugin.analysis.prior_matches import match_objects, matcher_of, object_lines
from ssd_plugin.errors import UserError
from ssd_plugin.models.task_modules import ManyToManyMatcher, SSDMatcher
from ssd_plugin.ops.matching import match_priors
from tests.support import WHOLE_CONFIGS, config

# Four cells of 8 pixels, one prior of 8x8 in each, and one of 16x16 over all.
PRIORS = torch.tensor([[0, 0, 8, 8], [8, 0, 16, 8], [0, 8, 8, 16], [8, 8, 16, 16], [0, 0, 16, 16]], dtype=torch.float32)


def objects_of(*boxes, ignored=()):
    flags = torch.tensor([index in ignored for index in range(len(boxes))])
    return ImageObjects(torch.tensor(boxes).float(), torch.zeros(len(boxes)).long(), flags, ['cat'] * len(boxes))


def pairs_of(matches):
    return [(int(o), int(p), round(float(i), 3)) for o, p, i in zip(matches.object, matches.prior, matches.iou)]


def test_pairs_are_sorted_by_object_and_iou_and_a_forced_prior_is_marked():
    # The first covers a half of the large prior and the two upper ones; the second a quarter of the last small one.
    objects = objects_of([0, 0, 16, 8], [8, 8, 12, 12])
    matches = match_objects(SSDMatcher(0.5), PRIORS, objects)
    assert pairs_of(matches) == [(0, 0, 0.5), (0, 1, 0.5), (0, 4, 0.5), (1, 3, 0.25)]
    assert matches.forced.tolist() == [False, False, False, True]
    assert matches.best.tolist() == [True, False, False, True]
    assert matches.best_iou.tolist() == [0.5, 0.25] and matches.threshold == 0.5 and matches.num_excluded == 0
    assert matches.remarks == ['', 'its best prior only, below the threshold']


def test_an_object_that_loses_its_best_prior_and_one_that_overlaps_none_are_named():
    objects = objects_of([0, 0, 8, 8], [0, 0, 4, 8], [20, 20, 30, 30], [9, 9, 9, 12])
    matches = match_objects(SSDMatcher(0.6), PRIORS, objects)
    assert pairs_of(matches) == [(0, 0, 1.0)]
    assert matches.remarks == [
        '',
        'no prior: other objects take its priors',
        *['no prior: it overlaps none'] * 2,
    ]


def test_a_prior_of_many_to_many_matching_has_several_objects_and_none_is_forced():
    objects = objects_of([0, 0, 8, 8], [0, 0, 6, 8], [8, 8, 12, 12])
    matches = match_objects(ManyToManyMatcher(0.5), PRIORS, objects)
    assert pairs_of(matches) == [(0, 0, 1.0), (1, 0, 0.75)]
    assert not matches.forced.any() and matches.remarks == ['', '', 'no prior: no IoU exceeds the threshold']


@pytest.mark.parametrize('matcher', [SSDMatcher, ManyToManyMatcher])
def test_objects_with_an_ignore_flag_are_treated_as_the_matcher_treats_them(matcher):
    objects = objects_of([0, 0, 8, 8], [8, 8, 16, 16], ignored=[1])
    matches = match_objects(matcher(0.5, ignored='exclude'), PRIORS, objects)
    assert pairs_of(matches) == [(0, 0, 1.0)] and matches.num_excluded == 1
    assert matches.remarks[1] == "no prior: it has an ignore flag (ignored='exclude')"
    matches = match_objects(matcher(0.5, ignored='match'), PRIORS, objects)
    assert pairs_of(matches) == [(0, 0, 1.0), (1, 3, 1.0)] and matches.num_excluded == 0


def test_matches_of_ssd300_equal_those_of_training():
    cfg = config('ssd300_voc.py')
    priors = priors_of(cfg)
    objects = objects_of([100, 100, 130, 131], [20, 30, 280, 290], [5, 5, 15, 45], [200, 10, 290, 60])
    matches = match_objects(matcher_of(cfg), priors.used, objects)
    expected = match_priors(priors.used, objects.boxes[None], torch.ones(1, 4, dtype=torch.bool), 0.5)[0]
    found = torch.full_like(expected, -1)
    found[matches.prior] = matches.object
    assert torch.equal(found, expected) and len(matches.prior) == (expected >= 0).sum() > 10


def test_the_table_counts_priors_by_level():
    cfg = config('bccd/ssd_depthwise_bccd.py')
    priors = priors_of(cfg)
    # Exactly the square prior of 40x40 in row 7 and column 9 of level 1, at (152, 120); and a box without area.
    objects = objects_of([132, 100, 172, 140], [50, 50, 50, 60])
    matches = match_objects(matcher_of(cfg), priors.used, objects)
    assert priors.locate(matches.prior[:1]).tolist() == [[1, 7, 9, 0]]
    number = len(matches.prior)
    assert object_lines(priors, objects, matches) == [
        'object  class   size  best IoU  priors  level 0  level 1  level 2  level 3',
        f'     0  cat    40x40      1.00       {number}        0        {number}        0        0',
        '     1  cat     0x10      0.00       0        0        0        0        0  no prior: it overlaps none',
        f'        all                          {number}        0        {number}        0        0',
    ]


@pytest.mark.parametrize('name', WHOLE_CONFIGS)
def test_every_config_has_a_matcher(name):
    cfg = config(name)
    assert type(matcher_of(cfg)).__name__ == cfg.model.bbox_head.matcher.type


@pytest.mark.parametrize(
    'head, message',
    [
        (dict(type='SSDHead'), 'SSDHead has no matcher'),
        (dict(type='MultiBoxHead', matcher=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5)), 'neither'),
        (dict(type='MultiBoxHead', matcher=dict(type='SSDMatcher', ignored='x')), "'background', got 'x'"),
    ],
)
def test_a_config_without_usable_matcher_is_an_error(head, message):
    with pytest.raises(UserError, match=message):
        matcher_of(Config(dict(model=dict(bbox_head=head))))


def test_the_matcher_of_a_head_that_names_none_is_its_default():
    assert isinstance(matcher_of(Config(dict(model=dict(bbox_head=dict(type='MultiBoxHead'))))), SSDMatcher)
