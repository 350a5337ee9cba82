import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.datasets.annotations.box_rules import NO_AREA, NOT_FINITE, OUTSIDE, SWAPPED, unusable, usable

COORDINATES = st.one_of(
    st.integers(-3, 14).map(float), st.sampled_from([float('nan'), float('inf'), -float('inf'), 1e9])
)


@given(st.lists(st.tuples(*[COORDINATES] * 4), max_size=8))
def test_a_box_is_usable_without_a_reason_and_no_box_has_two_reasons(boxes):
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    reasons = np.array(list(unusable(boxes, (10, 8)).values()))
    assert (reasons.sum(axis=0) <= 1).all()
    assert (usable(boxes, (10, 8)) == ~reasons.any(axis=0)).all()


def test_boxes_are_unusable_for_the_right_reason():
    boxes = np.array([[0, 0, 5, 5], [np.nan, 0, 5, 5], [5, 0, 4, 5], [3, 0, 3, 5], [10, 0, 12, 5], [-4, 0, 0, 5]])
    reasons = {reason: np.flatnonzero(mask).tolist() for reason, mask in unusable(boxes, (10, 8)).items()}
    assert reasons == {NOT_FINITE: [1], SWAPPED: [2], NO_AREA: [3], OUTSIDE: [4, 5]}


def test_without_a_size_only_boxes_left_of_or_above_the_image_are_outside():
    boxes = np.array([[1e6, 0.0, 2e6, 5.0], [-4.0, 0.0, -1.0, 5.0], [0.0, -4.0, 5.0, 0.0]])
    for size in (None, np.full((3, 2), np.nan)):
        assert unusable(boxes, size)[OUTSIDE].tolist() == [False, True, True]
