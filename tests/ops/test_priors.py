import math

import pytest
import torch

from ssd_plugin.ops import priors as ops


def test_scales_interpolate_linearly():
    assert ops.interpolate_scales(5, (0.2, 0.9)) == pytest.approx([0.2, 0.375, 0.55, 0.725, 0.9])
    assert ops.interpolate_scales(6, (0.2, 0.9), first_scale=0.1) == pytest.approx([0.1, 0.2, 0.375, 0.55, 0.725, 0.9])


def test_scales_of_no_level_are_refused():
    with pytest.raises(ValueError, match='scale_range'):
        ops.interpolate_scales(1, (0.2, 0.9), first_scale=0.1)


def test_shapes_follow_the_formulas():
    shapes = ops.cell_shapes(100.0, math.sqrt(100 * 150), [2])
    assert shapes == [
        (100.0, 100.0),
        (pytest.approx(122.474487),) * 2,
        (pytest.approx(141.421356), pytest.approx(70.710678)),
        (pytest.approx(70.710678), pytest.approx(141.421356)),
    ]


@pytest.mark.parametrize(
    'order, expected',
    [
        ('ssd', [0, 1, 2, 3, 4, 5]),
        ('extra_last', [0, 2, 3, 4, 5, 1]),
        ('tall_first', [0, 1, 3, 2, 5, 4]),
        ([5, 4, 3, 2, 1, 0], [5, 4, 3, 2, 1, 0]),
    ],
)
def test_orders_within_a_cell(order, expected):
    assert ops.order_indices(order, 6, has_extra=True) == expected


def test_orders_without_an_extra_prior():
    assert ops.order_indices('tall_first', 3, has_extra=False) == [0, 2, 1]
    assert ops.order_indices('extra_last', 3, has_extra=False) == [0, 1, 2]


@pytest.mark.parametrize('order', ['ssd300', [0, 0, 1], [0, 1]])
def test_wrong_order_is_refused(order):
    with pytest.raises(ValueError, match='order'):
        ops.order_indices(order, 3, has_extra=False)


def test_grid_runs_over_rows_then_columns_then_shapes():
    shapes = torch.tensor([[2.0, 4.0], [6.0, 6.0]])
    grid = ops.grid_of_priors(shapes, (2, 3), (10.0, 20.0))
    assert grid.shape == (12, 4)
    torch.testing.assert_close(
        grid[:3], torch.tensor([[4.0, 8.0, 6.0, 12.0], [2.0, 7.0, 8.0, 13.0], [14.0, 8.0, 16.0, 12.0]])
    )
    torch.testing.assert_close(grid[-1], torch.tensor([22.0, 27.0, 28.0, 33.0]))


def test_clipping_of_corners_and_of_centers_differ():
    shapes = torch.tensor([[60.0, 20.0]])
    grid = dict(shapes=shapes, featmap_size=(1, 2), step=(20.0, 20.0), clip_size=(40.0, 20.0))
    torch.testing.assert_close(
        ops.grid_of_priors(**grid, clip='corners'), torch.tensor([[0.0, 0.0, 40.0, 20.0], [0.0, 0.0, 40.0, 20.0]])
    )
    torch.testing.assert_close(
        ops.grid_of_priors(**grid, clip='centers'), torch.tensor([[-10.0, 0.0, 30.0, 20.0], [10.0, 0.0, 50.0, 20.0]])
    )


def test_clipping_of_sizes_leaves_centers_outside_the_image():
    grid = dict(shapes=torch.tensor([[60.0, 20.0]]), featmap_size=(1, 2), step=(30.0, 20.0), clip_size=(40.0, 20.0))
    assert ops.grid_of_priors(**grid, clip='sizes')[1].tolist() == [25.0, 0.0, 65.0, 20.0]
    assert ops.grid_of_priors(**grid, clip='centers')[1].tolist() == [20.0, 0.0, 60.0, 20.0]
