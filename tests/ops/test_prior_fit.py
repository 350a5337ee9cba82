import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.ops.boxes import pairwise_iou
from ssd_plugin.ops.prior_fit import nearest_cell_offsets, nearest_prior_iou
from ssd_plugin.ops.priors import grid_of_priors


def test_offsets_are_those_from_the_nearest_cell_also_beyond_the_last_one():
    # 3x2 cells of 10x20 pixels: centers at x = 5, 15, 25 and y = 10, 30.
    boxes = torch.tensor([[0.0, 0.0, 14.0, 24.0], [40.0, -10.0, 50.0, 0.0]])
    offsets = nearest_cell_offsets(boxes, (2, 3), (10, 20))
    # Centers (7, 12) and (45, -5).
    assert offsets.tolist() == [[2, 2], [20, 15]]


@pytest.mark.parametrize(
    'offset, expected',
    [
        # 10x10 inside 20x10: 100 / 200. Moved by 5 it still lies inside, by 10 half of it does: 50 / 250.
        ((0.0, 0.0), 0.5),
        ((5.0, 0.0), 0.5),
        ((10.0, 0.0), 0.2),
        ((15.0, 0.0), 0.0),
        # Half the height overlaps.
        ((0.0, 5.0), 0.2),
    ],
)
def test_iou_of_an_object_with_a_prior_at_an_offset(offset, expected):
    iou = nearest_prior_iou(torch.tensor([[10.0, 10.0]]), torch.tensor([offset]), torch.tensor([[20.0, 10.0]]))
    assert iou.tolist() == [[pytest.approx(expected)]]


def test_an_object_without_area_has_an_iou_of_0():
    assert nearest_prior_iou(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2)).tolist() == [[0]]


sides = st.floats(1, 200)


@settings(max_examples=60, deadline=None)
@given(
    cells=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    step=st.tuples(st.floats(4, 50), st.floats(4, 50)),
    shapes=st.lists(st.tuples(sides, sides), min_size=1, max_size=4),
    centers=st.lists(st.tuples(st.floats(-50, 300), st.floats(-50, 300), sides, sides), min_size=1, max_size=5),
)
def test_the_nearest_prior_of_a_shape_is_the_best_of_all(cells, step, shapes, centers):
    boxes = torch.tensor([(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in centers], dtype=torch.float64)
    shapes = torch.tensor(shapes, dtype=torch.float64)
    found = nearest_prior_iou(boxes[:, 2:] - boxes[:, :2], nearest_cell_offsets(boxes, cells, step), shapes)
    priors = grid_of_priors(shapes, cells, step).view(-1, len(shapes), 4)
    expected = torch.stack([pairwise_iou(boxes, priors[:, k]).amax(dim=1) for k in range(len(shapes))], dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
