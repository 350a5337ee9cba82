import torch
from ssd_plugin.datasets.checks import coverage
from ssd_plugin.datasets.checks.records import Box, Picture


def picture(size, *corners):
    boxes = [Box('a', box, '', print, print, print) for box in corners]
    return Picture(None, '', size, boxes, set(), print, print)


def test_boxes_are_resized_to_the_input():
    boxes = coverage.resized_boxes([picture((200, 100), (20, 10, 60, 50)), picture(None, (1, 1, 2, 2)), picture((9, 9))], (100, 100))
    assert boxes.tolist() == [[10, 10, 30, 50]]


def test_best_iou_is_that_of_the_nearest_prior():
    priors = torch.tensor([[0., 0., 10., 10.], [50., 50., 60., 70.]])
    boxes = torch.tensor([[0., 0., 10., 5.], [50., 50., 60., 70.], [80., 80., 90., 90.]])
    assert coverage.best_iou(boxes, priors).tolist() == [0.5, 1., 0.]


def test_large_data_is_sampled(monkeypatch):
    monkeypatch.setattr(coverage, 'SAMPLE', 5)
    assert len(coverage.resized_boxes([picture((10, 10), *[(1, 1, 2, 2)] * 9)], (10, 10))) == 5
