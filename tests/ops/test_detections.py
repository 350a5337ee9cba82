import pytest
import torch
import torchvision
from ssd_plugin.ops.detections import select_candidates, suppress


def detect_one_by_one(scores, boxes, threshold, top_k, iou_threshold, limit):
    """Per image and class, as the original release does."""
    results = []
    for image_scores in scores:
        kept = []
        for label in range(scores.shape[-1]):
            order = image_scores[:, label].sort(descending=True, stable=True).indices[:top_k]
            order = order[image_scores[order, label] >= threshold]
            keep = torchvision.ops.nms(boxes[order], image_scores[order, label], iou_threshold)
            kept += [(float(image_scores[p, label]), label, int(p)) for p in order[keep]]
        results.append(sorted(kept, reverse=True)[:limit])
    return results


@pytest.mark.parametrize('spread', [0.1, 5.])
@pytest.mark.parametrize('threshold, top_k, limit', [(0.01, 40, 20), (0.3, 400, 5), (0., 7, 200)])
def test_batch_equals_image_by_image_and_class_by_class(spread, threshold, top_k, limit):
    scores = (torch.randn(3, 60, 5) * spread).softmax(dim=-1)[..., :-1]
    boxes = torch.rand(60, 4) * 100
    boxes[:, 2:] = boxes[:, :2] + 10 + boxes[:, 2:] / 2
    found = select_candidates(scores, threshold, top_k)
    keeps = suppress(boxes[found.prior], found, 3, 0.45, limit)
    ours = [[(float(found.score[i]), int(found.label[i]), int(found.prior[i])) for i in keep] for keep in keeps]
    assert ours == detect_one_by_one(scores, boxes, threshold, top_k, 0.45, limit)


def test_nothing_above_the_threshold_gives_nothing():
    found = select_candidates(torch.zeros(2, 10, 3), 0.5, 400)
    keeps = suppress(torch.zeros(0, 4), found, 2, 0.45, 200)
    assert [len(keep) for keep in keeps] == [0, 0]


def test_one_candidate_is_kept():
    scores = torch.zeros(2, 10, 3)
    scores[1, 4, 2] = 0.9
    found = select_candidates(scores, 0.5, 400)
    keeps = suppress(torch.tensor([[0., 0., 1., 1.]]), found, 2, 0.45, 200)
    assert [len(keep) for keep in keeps] == [0, 1] and (found.image, found.prior, found.label) == (1, 4, 2)


def test_score_at_the_threshold_is_kept():
    assert len(select_candidates(torch.full((1, 1, 1), 0.25), 0.25, 400).score) == 1


def test_same_box_of_other_class_or_image_is_not_suppressed():
    scores = torch.tensor([[[0.9, 0.8]], [[0.7, 0.6]]])
    found = select_candidates(scores, 0.01, 400)
    keeps = suppress(torch.tensor([[0., 0., 5., 5.]]).expand(4, 4), found, 2, 0.45, 200)
    assert [found.score[keep].tolist() for keep in keeps] == [pytest.approx([0.9, 0.8]), pytest.approx([0.7, 0.6])]
