import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.ops.boxes import pairwise_iou
from ssd_plugin.ops.many_to_many_matching import fixed_size_nonzero, match_pairs


def listed(pairs):
    """As (image, object, prior), in their order."""
    return [tuple(row) for row, valid in zip(torch.stack(pairs[:3], dim=1).tolist(), pairs.valid.tolist()) if valid]


def random_boxes(*shape):
    corner = torch.rand(*shape, 2) * 60
    return torch.cat([corner, corner + 10 + torch.rand(*shape, 2) * 40], dim=-1)


def test_a_prior_serves_several_objects_and_an_object_several_priors():
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [1.0, 0.0, 11.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    boxes = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0], [80.0, 80.0, 90.0, 90.0]]])
    # IoU of the second object with the second prior: 72 / 108.
    assert listed(match_pairs(priors, boxes, torch.ones(1, 3, dtype=torch.bool), 0.5)) == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
    ]


def test_the_threshold_must_be_exceeded():
    priors, boxes = torch.tensor([[0.0, 0.0, 10.0, 10.0]]), torch.tensor([[[0.0, 0.0, 10.0, 5.0]]])
    valid = torch.ones(1, 1, dtype=torch.bool)
    assert (
        not listed(match_pairs(priors, boxes, valid, 0.5)) and len(listed(match_pairs(priors, boxes, valid, 0.49))) == 1
    )


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 3), objects=st.integers(1, 5))
def test_pairs_are_those_of_a_plain_search(seed, batch, objects):
    torch.manual_seed(seed)
    priors, boxes = random_boxes(30), random_boxes(batch, objects)
    valid = torch.rand(batch, objects) < 0.8
    overlaps = pairwise_iou(boxes, priors)
    expected = [
        (b, g, p)
        for b in range(batch)
        for g in range(objects)
        for p in range(30)
        if valid[b, g] and overlaps[b, g, p] > 0.3
    ]
    found = match_pairs(priors, boxes, valid, 0.3)
    assert listed(found) == expected[: len(found.valid)] and len(found.valid) == batch * 30 * min(objects, 2)
    assert found.dropped == len(expected) - len(listed(found))
    # Room for two pairs in all.
    found = match_pairs(priors, boxes, valid, 0.3, pairs_per_prior=2 / (30 * batch))
    assert listed(found) == expected[:2] and found.dropped == max(len(expected) - 2, 0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 50))
def test_fixed_size_nonzero_gives_nonzero_and_padding(mask, capacity):
    mask = torch.tensor(mask)
    expected = mask.nonzero().flatten().tolist()[:capacity]
    assert fixed_size_nonzero(mask, capacity).tolist() == expected + [-1] * (capacity - len(expected))


def test_there_is_never_more_room_than_pairs_can_take():
    boxes, valid = random_boxes(2, 3), torch.ones(2, 3, dtype=torch.bool)
    pairs = match_pairs(random_boxes(5), boxes, valid, 0.0, pairs_per_prior=100)
    assert len(pairs.valid) == 2 * 3 * 5 and pairs.dropped == 0
