import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import TASK_UTILS

from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.analysis.prior_coverage import best_iou
from ssd_plugin.analysis.prior_objects import Objects
from ssd_plugin.analysis.prior_tuning import (
    GENERATIONS,
    LevelSettings,
    Sample,
    SearchSpace,
    class_weights,
    own_settings,
    pooled,
    propose,
    score,
    size_clusters,
    with_number,
)
from tests.support import config

BCCD = 'bccd/ssd_depthwise_bccd.py'


def settings_of(name):
    cfg = config(name)
    options = dict(cfg.model.bbox_head.prior_generator)
    return own_settings(options, TASK_UTILS.build(dict(options))), priors_of(cfg)


def boxes_of(sizes, seed=0):
    """Boxes of given widths and heights at random places of a 320x240 image."""
    sizes = torch.tensor(sizes, dtype=torch.float32)
    centers = (
        torch.rand(len(sizes), 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([240.0, 160.0]) + 40
    )
    return torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1)


def test_the_score_adds_the_mean_best_iou_and_three_times_the_recall_with_a_margin():
    # Recall of 0, 0.5 and 1 at IoUs of 0.3, 0.5 and 0.7 for a threshold of 0.5.
    best, weights = torch.tensor([0.3, 0.5, 0.7]), torch.tensor([0.5, 0.25, 0.25])
    assert score(best, weights, 0.5) == pytest.approx(0.45 + 3 * (0.125 + 0.25))


def test_classes_weigh_equally_from_50_objects_and_less_below():
    weights = class_weights(torch.tensor([0] * 200 + [1] * 50 + [2] * 5))
    totals = [weights[:200].sum(), weights[200:250].sum(), weights[250:].sum()]
    assert [total.item() for total in totals] == pytest.approx([1 / 2.1, 1 / 2.1, 0.1 / 2.1])


def test_sets_of_objects_weigh_the_same_whatever_their_number():
    parts = [Objects(torch.zeros(n, 4), torch.zeros(n, dtype=torch.long), torch.zeros(n), ('a',)) for n in (60, 600)]
    boxes, weights = pooled(parts)
    assert len(boxes) == 660 and weights[:60].sum().item() == pytest.approx(0.5)


def test_clusters_are_the_planted_sizes_in_ascending_order():
    planted = torch.tensor([[80.0, 40.0], [10.0, 10.0]])
    noise = 1 + 0.02 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    sizes = planted.repeat(100, 1) * noise
    # A seed may draw both first centers from one of the clusters; k-means then separates them nevertheless.
    for seed in range(4):
        torch.testing.assert_close(size_clusters(sizes, 2, seed), planted.flip(0), rtol=0.02, atol=0)


def test_settings_are_those_of_the_config_in_pixels():
    own, _ = settings_of(BCCD)
    assert own[0] == LevelSettings((18, 28), (1.5,)) and len(own) == 4
    # 0.1 and 0.2 of 320x240: a scale of 0.1 is 32x24 pixels, of the area of a square of 27.7, and the extra one of
    # sqrt(0.1 * 0.2) corresponds to (27.7, 55.4).
    own, _ = settings_of('ssd_depthwise_320x240_voc.py')
    root = (320 * 240) ** 0.5
    assert own[0].sizes == pytest.approx((0.1 * root, 0.2 * root)) and own[1].ratios == (2, 3)
    own, _ = settings_of('pretrained/ssd_face_slim_320x240.py')
    assert own[0] == LevelSettings((10, 16, 24), None)


@pytest.mark.parametrize('name', [BCCD, 'ssd300_voc.py', 'pretrained/ssd_face_slim_320x240.py'])
def test_a_vector_stands_for_its_settings(name):
    own, priors = settings_of(name)
    space = SearchSpace(own, priors, flip=True)
    for before, after in zip(own, space.settings(space.start)):
        assert after.sizes == pytest.approx(before.sizes)
        assert after.ratios == (None if before.ratios is None else pytest.approx(before.ratios))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_sizes_ascend_over_the_levels_and_the_number_of_priors_is_kept(seed):
    own, priors = settings_of('ssd300_voc.py')
    space = SearchSpace(own, priors, flip=True)
    found = space.settings(space.population([space.start], 2, np.random.default_rng(seed))[1])
    sizes = [level.sizes[0] for level in found]
    assert sizes == sorted(sizes)
    assert [len(level.shapes(True)) for level in found] == [4, 6, 6, 6, 4, 4]


@pytest.mark.parametrize('flip', [True, False])
@pytest.mark.parametrize('number', range(1, 8))
def test_any_number_of_priors_in_a_cell_can_be_chosen(number, flip):
    for name in (BCCD, 'pretrained/ssd_face_slim_320x240.py'):
        for level in with_number(settings_of(name)[0], number, flip):
            assert len(level.shapes(flip)) == number


def test_the_score_of_a_sample_is_that_of_its_true_best_iou():
    own, priors = settings_of(BCCD)
    boxes = boxes_of([(20, 30), (60, 50), (90, 120)])
    weights = torch.full((3,), 1 / 3)
    expected = score(best_iou(boxes, priors.used), weights, 0.5)
    assert Sample(priors, boxes, weights, 0.5, True).score(own) == pytest.approx(expected, abs=1e-5)


def test_planted_sizes_are_found_and_what_makes_no_difference_is_kept():
    own, priors = settings_of(BCCD)
    # Wide objects and their transposes in the middle of cells of level 0 and of level 1, where the IoU can be 1.
    rows = [(100, 60, 30, 10), (100, 60, 10, 30), (152, 88, 60, 20), (152, 88, 20, 60)]
    boxes = torch.tensor([(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in rows])
    weights = torch.full((4,), 1 / 4)
    found = propose(own, priors, boxes, weights, 0.5, True, seed=1)
    assert found == propose(own, priors, boxes, weights, 0.5, True, seed=1)
    # The sides of the square of the same area, and the extra square as much larger as in the config.
    assert found[0].sizes[0] == pytest.approx(300**0.5, rel=0.05) and found[0].ratios == pytest.approx((3,), rel=0.05)
    assert found[1].sizes[0] == pytest.approx(1200**0.5, rel=0.05) and found[1].ratios == pytest.approx((3,), rel=0.05)
    assert [level.sizes[1] / level.sizes[0] for level in found[:2]] == pytest.approx([28 / 18, 60 / 40], rel=0.03)
    assert found[2:] == own[2:]


def test_objects_that_fit_nothing_are_fitted_in_seconds_better_than_before():
    own, priors = settings_of(BCCD)
    boxes = boxes_of([(30, 10), (10, 30), (60, 20), (20, 60)] * 50)
    weights = torch.full((len(boxes),), 1 / len(boxes))
    sample = Sample(priors, boxes, weights, 0.5, True)
    rounds = []
    found = propose(own, priors, boxes, weights, 0.5, True, 0, lambda: rounds.append(True))
    planted = [LevelSettings((17.3, 28), (3.0,)), LevelSettings((34.6, 60), (3.0,)), *own[2:]]
    assert sample.score(found) > sample.score(planted) > sample.score(own) + 0.3
    assert 1 < len(rounds) <= GENERATIONS
