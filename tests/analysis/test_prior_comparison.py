import cv2
import pytest
import torch

from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.analysis.prior_comparison import Fit, comparison_lines, draw_comparison, fit_of, groups_of
from ssd_plugin.analysis.prior_matches import matcher_of
from ssd_plugin.analysis.prior_objects import Objects
from tests.support import config


def objects_of(*rows):
    """Objects, given as image, label and box."""
    images, labels, boxes = zip(*rows)
    return Objects(
        torch.tensor(boxes, dtype=torch.float32), torch.tensor(labels), torch.tensor(images), ('cat', 'dog', 'cow')
    )


def fit(best, matched=None, threshold=0.5):
    best = torch.tensor(best)
    return Fit(best, torch.ones(len(best), dtype=torch.long) if matched is None else torch.tensor(matched), threshold)


@pytest.fixture
def objects():
    """Of 10x10, 40x20 and 20x100 pixels in two images."""
    return objects_of((0, 0, (0, 0, 10, 10)), (0, 2, (50, 50, 90, 70)), (1, 2, (100, 100, 120, 200)))


def test_recall_counts_an_iou_equal_to_the_threshold():
    assert fit([0.25, 0.5, 0.75], [1, 2, 6]).overall() == (pytest.approx(2 / 3), 0.5, 3)


@pytest.mark.parametrize(
    'after, better',
    [
        ([0.4, 0.8], True),
        ([0.3, 0.8], False),
        # Recall rises, the mean falls; and the other way round.
        ([0.5, 0.5], False),
        ([0.1, 0.4], False),
        ([0.49, 0.99], True),
        ([0.9, 0.49], True),
    ],
)
def test_better_is_higher_in_recall_or_mean_and_lower_in_neither(after, better):
    assert fit(after).is_better_than(fit([0.4, 0.7])) == better


def test_priors_that_are_equal_are_not_better():
    assert not fit([0.4, 0.7]).is_better_than(fit([0.7, 0.4]))


def test_groups_are_by_class_size_and_ratio_without_empty_ones(objects):
    groups = {name: mask.tolist() for name, mask in groups_of(objects)}
    assert groups == {
        'cat': [True, False, False],
        'cow': [False, True, True],
        '8 to 16 px': [True, False, False],
        # The root of 40 * 20 is 28.3, that of 20 * 100 is 44.7.
        '16 to 32 px': [False, True, False],
        '32 to 64 px': [False, False, True],
        'w:h under 1:3': [False, False, True],
        'w:h 1:1.5 to 1.5:1': [True, False, False],
        'w:h 1.5:1 to 3:1': [False, True, False],
    }


def test_the_table_has_both_figures_of_each_group(objects):
    lines = comparison_lines(objects, fit([0.25, 0.5, 0.75], [1, 2, 6]), fit([0.5, 0.5, 0.875], [2, 2, 8]))
    assert lines[0].startswith('objects             number  IoU >= 0.5   tuned  mean best IoU  tuned')
    assert lines[1].split() == ['all', '3', '66.7%', '100.0%', '0.500', '0.625', '3.0', '4.0']
    assert lines[3].split() == ['cow', '2', '100.0%', '100.0%', '0.625', '0.688', '4.0', '5.0']


@pytest.mark.parametrize('name', ['bccd/ssd_depthwise_bccd.py', 'recipes/ssd300_manytomany_voc.py'])
def test_matched_priors_are_those_of_training_image_by_image(name):
    cfg = config(name)
    priors, matcher = priors_of(cfg), matcher_of(cfg)
    corners = [(20, 20, 60, 60), (30, 20, 70, 62), (100, 100, 130, 120)]
    together = fit_of(priors, matcher, objects_of(*((0, 0, box) for box in corners)))
    # Two of them compete for priors where they are in one image.
    apart = fit_of(priors, matcher, objects_of(*((k, 0, box) for k, box in enumerate(corners))))
    assert torch.equal(together.best, apart.best) and together.matched[2] == apart.matched[2] > 0
    if name.startswith('bccd'):
        assert together.matched[:2].sum() < apart.matched[:2].sum()
    assert together.threshold == matcher.iou_threshold


def test_the_figure_shows_both(objects, tmp_path):
    priors = priors_of(config('bccd/ssd_depthwise_bccd.py'))
    draw_comparison(tmp_path / 'a.png', objects, (fit([0.2, 0.5, 0.7]),) * 2, (priors, priors), 'title')
    assert cv2.imread(str(tmp_path / 'a.png')).shape == (1100, 1500, 3)
