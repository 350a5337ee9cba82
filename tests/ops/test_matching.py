import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.ops import matching
from ssd_plugin.ops.boxes import pairwise_iou
from ssd_plugin.ops.matching import BACKGROUND, CONTESTED, match_priors, priors_in_regions


def match_one_by_one(priors, boxes, threshold, contested='highest', inclusive=True):
    """The definition, one image and one object after another."""
    iou = pairwise_iou(boxes, priors)
    matches = [BACKGROUND] * len(priors)
    for p in range(len(priors)):
        best = max(range(len(boxes)), key=lambda g: (iou[g, p], -g), default=None)
        if best is not None and (iou[best, p] > threshold or (inclusive and iou[best, p] == threshold)):
            matches[p] = best
    forced = {}
    if contested == 'next_best':
        left = {(g, p): float(iou[g, p]) for g in range(len(boxes)) for p in range(len(priors))}
        while left:
            (g, p), value = max(left.items(), key=lambda item: (item[1], -item[0][0], -item[0][1]))
            if value <= 0:
                break
            forced[p] = g
            left = {pair: v for pair, v in left.items() if pair[0] != g and pair[1] != p}
    else:
        for g in range(len(boxes)):
            p = max(range(len(priors)), key=lambda p: (iou[g, p], -p))
            if iou[g, p] > 0 and (p not in forced or contested == 'last' or iou[g, p] > iou[forced[p], p]):
                forced[p] = g
    for p, g in forced.items():
        matches[p] = g
    return matches


# Few coordinates, so that ties and shared best priors are common.
boxes_strategy = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)).map(
        lambda b: [10.0 * b[0], 10.0 * b[1], 10.0 * (b[0] + b[2]), 10.0 * (b[1] + b[3])]
    ),
    max_size=5,
)
grid = torch.tensor(
    [
        [10.0 * x, 10.0 * y, 10.0 * (x + w), 10.0 * (y + h)]
        for x in range(4)
        for y in range(4)
        for w, h in ((1, 1), (2, 2), (2, 1))
    ]
)


def pad(images):
    size = max(len(image) for image in images)
    boxes = torch.tensor([image + [[7.0, 7.0, 33.0, 33.0]] * (size - len(image)) for image in images]).reshape(
        len(images), size, 4
    )
    valid = torch.tensor([[g < len(image) for g in range(size)] for image in images], dtype=torch.bool).reshape(
        len(images), size
    )
    return boxes, valid


@settings(max_examples=60, deadline=None)
@given(
    st.lists(boxes_strategy, min_size=1, max_size=3),
    st.sampled_from(CONTESTED),
    st.sampled_from([0.3, 0.5]),
    st.booleans(),
)
def test_batch_equals_the_definition_ties_included(images, contested, threshold, inclusive):
    boxes, valid = pad(images)
    found = match_priors(grid, boxes, valid, threshold, contested, inclusive)
    expected = [
        match_one_by_one(grid, torch.tensor(image).reshape(-1, 4), threshold, contested, inclusive) for image in images
    ]
    assert found.tolist() == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(boxes_strategy, min_size=1, max_size=4), st.sampled_from(CONTESTED), st.sampled_from([1, 60, 200]))
def test_blocks_of_any_size_and_known_lengths_give_the_same(images, contested, block):
    boxes, valid = pad(images)
    lengths = [len(image) for image in images]
    expected = match_priors(grid, boxes, valid, 0.5, contested)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, 'BLOCK_ON_CPU', block)
        assert torch.equal(match_priors(grid, boxes, valid, 0.5, contested), expected)
        assert torch.equal(match_priors(grid, boxes, valid, 0.5, contested, lengths=lengths), expected)
        inside = priors_in_regions(grid, boxes, valid)
    assert torch.equal(priors_in_regions(grid, boxes, valid), inside)


def test_a_prior_that_is_best_for_two_objects_goes_to_the_closer_one():
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    boxes, valid = pad([[[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 6.0, 6.0]]])
    assert match_priors(priors, boxes, valid).tolist() == [[1, BACKGROUND]]


def test_the_last_object_can_take_a_prior_that_is_best_for_two():
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    # Behind both, an object that overlaps nothing, whose best prior is the first one, with an IoU of 0.
    boxes, valid = pad([[[0.0, 0.0, 6.0, 6.0], [0.0, 0.0, 4.0, 4.0], [900.0, 900.0, 910.0, 910.0]]])
    assert match_priors(priors, boxes, valid, contested='last').tolist() == [[1, BACKGROUND]]
    assert match_priors(priors, boxes, valid).tolist() == [[0, BACKGROUND]]


def test_an_iou_equal_to_the_threshold_can_be_too_low():
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0]])
    boxes, valid = pad([[[0.0, 0.0, 10.0, 5.0]]])
    assert match_priors(priors, boxes, valid, 0.5).tolist() == [[0, 0]]
    assert match_priors(priors, boxes, valid, 0.5, inclusive=False).tolist() == [[BACKGROUND, 0]]


def test_an_unknown_rule_for_contested_priors_is_an_error():
    boxes, valid = pad([[[0.0, 0.0, 10.0, 5.0]]])
    with pytest.raises(ValueError, match="contested must be one of .*got 'first'"):
        match_priors(grid, boxes, valid, contested='first')


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num_objects=st.integers(1, 255),
    num_priors=st.integers(1, 200),
    values=st.sampled_from([2, 5, 10**6]),
)
def test_maxima_are_the_first_of_equals(seed, num_objects, num_priors, values):
    torch.manual_seed(seed)
    iou = torch.randint(values, (2, num_objects, num_priors)) / values
    for found, dim in ((matching._best_prior(iou), 2), (matching._best_object(iou), 1)):
        expected = iou.numpy().argmax(axis=dim)
        assert (found[1].numpy() == expected).all() and torch.equal(found[0], iou.amax(dim=dim))


def test_an_image_with_more_objects_than_are_compared_at_a_time():
    boxes = torch.rand(1, 600, 4) * 40
    boxes[..., 2:] = boxes[..., :2] + 10
    valid = torch.ones(1, 600, dtype=torch.bool)
    assert match_priors(grid, boxes, valid).tolist() == [match_one_by_one(grid, boxes[0], 0.5)]


def test_padding_does_not_take_the_first_prior():
    # A box that overlaps nothing has its highest IoU, 0, with the first prior, which another object owns.
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    boxes, valid = pad([[[900.0, 900.0, 910.0, 910.0], [0.0, 0.0, 3.0, 3.0], [900.0, 900.0, 910.0, 910.0]], []])
    assert match_priors(priors, boxes, valid).tolist() == [[1, BACKGROUND], [BACKGROUND, BACKGROUND]]


def test_the_other_object_can_take_its_next_best():
    priors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 20.0, 20.0]])
    boxes, valid = pad([[[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 6.0, 6.0]]])
    assert match_priors(priors, boxes, valid, contested='next_best').tolist() == [[1, 0]]


@pytest.mark.parametrize('contested', CONTESTED)
def test_image_without_objects_is_background(contested):
    boxes, valid = torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.bool)
    assert (match_priors(grid, boxes, valid, contested=contested) == BACKGROUND).all()
    boxes, valid = pad([[[0.0, 0.0, 10.0, 10.0]], []])
    assert (match_priors(grid, boxes, valid, contested=contested)[1] == BACKGROUND).all()


@pytest.mark.parametrize('contested', CONTESTED)
@pytest.mark.parametrize(
    'bad',
    [
        [5.0, 5.0, 5.0, 5.0],
        [9.0, 9.0, 5.0, 5.0],
        [float('nan')] * 4,
        [0.0, 0.0, float('inf'), 9.0],
        [900.0, 900.0, 950.0, 950.0],
    ],
)
def test_unusable_box_is_never_matched_and_changes_no_other_match(bad, contested):
    boxes, valid = pad([[bad, [0.0, 0.0, 10.0, 10.0]]])
    found = match_priors(grid, boxes, valid, contested=contested)
    alone = match_priors(grid, boxes[:, 1:], valid[:, 1:], contested=contested)
    torch.testing.assert_close(found, torch.where(alone >= 0, alone + 1, alone))


def test_priors_inside_a_region_by_their_own_area():
    priors = torch.tensor(
        [[0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0], [6.0, 0.0, 16.0, 10.0], [0.0, 0.0, 100.0, 100.0]]
    )
    regions, valid = pad([[[0.0, 0.0, 10.0, 10.0]]])
    assert priors_in_regions(priors, regions, valid, 0.5).tolist() == [[True, True, False, False]]
    assert not priors_in_regions(priors, regions, ~valid, 0.5).any()
    assert not priors_in_regions(priors, torch.zeros(1, 0, 4), torch.zeros(1, 0, dtype=torch.bool), 0.5).any()
