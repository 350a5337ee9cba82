"""Axis-aligned boxes around the shapes that labeling tools draw."""

import math
from collections.abc import Iterable

Corners = tuple[float, float, float, float]
Point = tuple[float, float]


def hull(points: Iterable[Point]) -> Corners:
    """Return xyxy of the smallest box around points.

    Raises:
        ValueError: There are no points.
    """
    columns = list(zip(*points))
    if not columns:
        raise ValueError('it has no points')
    xs, ys = columns
    return min(xs), min(ys), max(xs), max(ys)


def turned_box(x: float, y: float, width: float, height: float, degrees: float, pivot: Point | None = None) -> Corners:
    """Return xyxy of the smallest box around a rotated box.

    Args:
        x: Left side before the rotation.
        y: Upper side before the rotation.
        width: Width.
        height: Height.
        degrees: Clockwise angle, as an image is seen: y points down.
        pivot: Point about which it is rotated, by default the center of the box.
    """
    x2, y2 = x + width, y + height
    if not degrees:
        return x, y, x2, y2
    cosine, sine = _direction(degrees)
    center_x, center_y = pivot or (x + width / 2, y + height / 2)
    offsets = [(a - center_x, b - center_y) for a in (x, x2) for b in (y, y2)]
    return hull((center_x + dx * cosine - dy * sine, center_y + dx * sine + dy * cosine) for dx, dy in offsets)


def turned_ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0) -> Corners:
    """Return xyxy of the smallest box around an ellipse that is rotated about its center ``(x, y)``, clockwise."""
    cosine, sine = _direction(degrees)
    half_width, half_height = (
        math.hypot(radius_x * cosine, radius_y * sine),
        math.hypot(radius_x * sine, radius_y * cosine),
    )
    return x - half_width, y - half_height, x + half_width, y + half_height


def _direction(degrees: float) -> Point:
    """Return cosine and sine of an angle, exact for multiples of 90 degrees."""
    quarter, rest = divmod(degrees, 90)
    if rest == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter) % 4]
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
