import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.datasets.annotations.box_rules import unusable, usable

COORDINATES = st.one_of(
    st.integers(-3, 14).map(float), st.sampled_from([float('nan'), float('inf'), -float('inf'), 1e9])
)


@given(st.lists(st.tuples(*[COORDINATES] * 4), max_size=8))
def test_a_box_is_usable_when_it_has_none_of_the_faults_and_none_has_two(boxes):
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    faults = np.array(list(unusable(boxes, (10, 8)).values()))
    assert (faults.sum(axis=0) <= 1).all()
    assert (usable(boxes, (10, 8)) == ~faults.any(axis=0)).all()
