import pytest
import torch
from mmdet.registry import TASK_UTILS

from ssd_plugin.ops.matching import BACKGROUND, IGNORED

PRIORS = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [21.0, 0.0, 29.0, 10.0]])
BOXES = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]]])
VALID = torch.tensor([[True, True]])


@pytest.mark.parametrize(
    'ignored, expected',
    [('match', [0, 1, 1]), ('exclude', [0, IGNORED, IGNORED]), ('background', [0, BACKGROUND, BACKGROUND])],
)
def test_what_becomes_of_ignored_objects(ignored, expected):
    matcher = TASK_UTILS.build(dict(type='SSDMatcher', ignored=ignored))
    assert matcher(PRIORS, BOXES, VALID, torch.tensor([[False, True]])).tolist() == [expected]


def test_a_matched_prior_inside_a_crowd_stays_matched():
    matcher = TASK_UTILS.build(dict(type='SSDMatcher', ignored='exclude'))
    boxes = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 100.0, 100.0]]])
    assert matcher(PRIORS, boxes, VALID, torch.tensor([[False, True]])).tolist() == [[0, IGNORED, IGNORED]]


def test_unknown_treatment_is_refused():
    with pytest.raises(ValueError, match='ignored'):
        TASK_UTILS.build(dict(type='SSDMatcher', ignored='drop'))
