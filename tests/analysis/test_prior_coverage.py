import torch

from ssd_plugin.analysis import prior_coverage
from ssd_plugin.datasets.annotations.records import AnnotatedBox, AnnotatedImage


def image(size, *corners):
    boxes = [AnnotatedBox('a', box, '', print, print, print) for box in corners]
    return AnnotatedImage(None, '', size, boxes, set(), print, print)


def test_boxes_are_resized_to_the_input():
    boxes = prior_coverage.resized_boxes(
        [image((200, 100), (20, 10, 60, 50)), image(None, (1, 1, 2, 2)), image((9, 9))], (100, 100)
    )
    assert boxes.tolist() == [[10, 10, 30, 50]]


def test_best_iou_is_that_of_the_nearest_prior():
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 70.0]])
    boxes = torch.tensor([[0.0, 0.0, 10.0, 5.0], [50.0, 50.0, 60.0, 70.0], [80.0, 80.0, 90.0, 90.0]])
    assert prior_coverage.best_iou(boxes, priors).tolist() == [0.5, 1.0, 0.0]


def test_large_data_is_sampled(monkeypatch):
    monkeypatch.setattr(prior_coverage, 'SAMPLE', 5)
    assert len(prior_coverage.resized_boxes([image((10, 10), *[(1, 1, 2, 2)] * 9)], (10, 10))) == 5
