import torch

from ssd_plugin.ops.targets import BACKGROUND, IGNORED, PriorMatches, exclude_ignored, matched_boxes, prior_labels

MATCHES = PriorMatches(torch.tensor([[1, BACKGROUND, IGNORED, 0]]))


def test_labels_are_those_of_the_objects_and_background_is_the_number_of_classes():
    assert prior_labels(MATCHES, torch.tensor([[4, 2, -1]]), 7).tolist() == [[2, 7, -1, 4]]


def test_boxes_are_those_of_the_objects():
    boxes = torch.arange(8.0).view(1, 2, 4)
    assert matched_boxes(MATCHES, boxes)[0, [0, 3]].tolist() == [[4.0, 5.0, 6.0, 7.0], [0.0, 1.0, 2.0, 3.0]]


def test_only_background_priors_become_ignored():
    found = exclude_ignored(MATCHES, torch.tensor([[True, True, True, False]]))
    assert found.object.tolist() == [[1, IGNORED, IGNORED, 0]]
