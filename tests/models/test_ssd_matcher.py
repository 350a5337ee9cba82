import pytest
import torch
from mmdet.registry import TASK_UTILS

from ssd_plugin.ops.targets import BACKGROUND, IGNORED, GroundTruth

PRIORS = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [21.0, 0.0, 29.0, 10.0]])
BOXES = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]]])
LABELS = torch.tensor([[0, 1]])


@pytest.mark.parametrize(
    'ignored, expected',
    [('match', [0, 1, 1]), ('exclude', [0, IGNORED, IGNORED]), ('background', [0, BACKGROUND, BACKGROUND])],
)
def test_priors_of_ignored_objects_are_treated_as_configured(ignored, expected):
    matcher = TASK_UTILS.build(dict(type='SSDMatcher', ignored=ignored))
    assert matcher(PRIORS, GroundTruth(BOXES, LABELS, torch.tensor([[False, True]]))).object.tolist() == [expected]


def test_a_matched_prior_inside_a_crowd_stays_matched():
    matcher = TASK_UTILS.build(dict(type='SSDMatcher', ignored='exclude'))
    boxes = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 100.0, 100.0]]])
    assert matcher(PRIORS, GroundTruth(boxes, LABELS, torch.tensor([[False, True]]))).object.tolist() == [
        [0, IGNORED, IGNORED]
    ]


def test_unknown_treatment_is_refused():
    with pytest.raises(ValueError, match='ignored'):
        TASK_UTILS.build(dict(type='SSDMatcher', ignored='drop'))


def test_options_of_the_matching_reach_it():
    # The second prior is the best one of all objects; the third has an IoU of exactly 0.8 with two of them.
    matcher = TASK_UTILS.build(dict(type='SSDMatcher', iou_threshold=0.8, inclusive=False, contested='last'))
    boxes = torch.tensor([[[20.0, 0.0, 30.0, 10.0], [21.0, 0.0, 31.0, 10.0], [20.0, 0.0, 28.0, 10.0]]])
    truth = GroundTruth(boxes, torch.tensor([[0, 1, 2]]))
    assert matcher(PRIORS, truth).object.tolist() == [[BACKGROUND, 2, BACKGROUND]]
    matcher = TASK_UTILS.build(dict(type='SSDMatcher', iou_threshold=0.8))
    assert matcher(PRIORS, truth).object.tolist() == [[BACKGROUND, 0, 0]]
    with pytest.raises(ValueError, match='contested'):
        TASK_UTILS.build(dict(type='SSDMatcher', contested='first'))
