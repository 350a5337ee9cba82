import math

import pytest

from ssd_plugin.datasets.annotations.imported.geometry import hull, turned_box, turned_ellipse


def test_the_hull_is_the_smallest_box_around_points():
    assert hull([(3, 4), (1, 9), (2, 5)]) == (1, 4, 3, 9)
    with pytest.raises(ValueError, match='no points'):
        hull([])


def test_a_box_is_rotated_about_its_center():
    # A quarter turn of 4 x 2 about (2, 1) is 2 x 4 about it.
    assert turned_box(0, 0, 4, 2, 90) == (1, -1, 3, 3)
    assert turned_box(0, 0, 4, 2, -90) == (1, -1, 3, 3)
    assert turned_box(0, 0, 4, 2, 180) == (0, 0, 4, 2)
    half = (4 + 2) / 2 / math.sqrt(2)
    assert turned_box(0, 0, 4, 2, 45) == pytest.approx((2 - half, 1 - half, 2 + half, 1 + half))
    assert turned_box(10, 20, 30, 40, 0) == (10, 20, 40, 60)


def test_a_box_is_rotated_clockwise_about_a_given_point():
    # The right side turns down: the upper left corner stays, and the box lies left of it.
    assert turned_box(10, 20, 4, 2, 90, pivot=(10, 20)) == (8, 20, 10, 24)
    assert turned_box(10, 20, 4, 2, -90, pivot=(10, 20)) == (10, 16, 12, 20)
    # Corners at (0, 0), 4 (cos 30, sin 30), 2 (-sin 30, cos 30) and their sum.
    root = math.sqrt(3)
    assert turned_box(0, 0, 4, 2, 30, pivot=(0, 0)) == pytest.approx((-1, 0, 2 * root, 2 + root))


def test_an_ellipse_touches_its_box():
    assert turned_ellipse(5, 6, 3, 2) == (2, 4, 8, 8)
    assert turned_ellipse(5, 6, 3, 2, 90) == (3, 3, 7, 9)
    half = math.sqrt((9 + 4) / 2)
    assert turned_ellipse(0, 0, 3, 2, 45) == pytest.approx((-half, -half, half, half))
    # The points of the curve, one by one.
    angle = math.radians(20)
    points = [(3 * math.cos(t / 500), 2 * math.sin(t / 500)) for t in range(3142)]
    turned = [(x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)) for x, y in points]
    assert turned_ellipse(0, 0, 3, 2, 20) == pytest.approx(hull(turned), abs=1e-4)
