import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.datasets.transforms.patch_sampling import side_patches
from ssd_plugin.datasets.transforms.window_choice import crop

side = st.floats(1, 3000)
fraction = st.floats(0.01, 1)
ratio = st.floats(0.1, 10)


def in_pixels(patches, sides):
    """Return left, top, width and height ``(P, 4)`` of patches in pixels of the window."""
    x, y, w, h = (values[:, 0] for values in patches)
    return np.stack([(x - w) * sides[0], (y - h) * sides[1], 2 * w * sides[0], 2 * h * sides[1]], axis=1)


def test_sides_are_truncated_to_whole_pixels_and_the_aspect_ratio_is_that_of_pixels():
    # Of a window of 100 x 50 pixels: 65.7 x 32.85 at the start, 30 x 49.996 at the end, and 99.99 x 33.2.
    drawn = np.array([[0.51, 0.0, 0.9999], [0.51, 0.9999, 0.52], [0.0, 0.9999, 0.5], [0.0, 0.9999, 0.5]])[..., None]
    found = in_pixels(side_patches(np.array([100.0, 50.0]), (0.3, 1.0), (0.5, 2.5), drawn), (100, 50))
    # The ratio of the third one, 99 to 33, is more than 2.5.
    np.testing.assert_allclose(found, [[0, 0, 65, 32], [70, 1, 30, 49]], atol=1e-9)


def test_the_ends_of_the_aspect_range_are_outside():
    # Sides of 0.8 and 0.4 of 100 pixels, of 0.8 and 0.41, and of 0.8 and 0.39.
    drawn = np.array([[0.801] * 3, [0.401, 0.411, 0.391], [0.0] * 3, [0.0] * 3])[..., None]
    found = in_pixels(side_patches(np.array([100.0, 100.0]), (1e-9, 1.0), (0.5, 2.0), drawn), (100, 100))
    np.testing.assert_allclose(found, [[0, 0, 80, 41]], atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(side, side, fraction, fraction, ratio, ratio, st.integers(0, 10**6))
def test_patches_keep_to_their_ranges(width, height, a, b, c, d, seed):
    scale_range, aspect_range, sides = sorted((a, b)), sorted((c, d)), np.array([width, height])
    patches = side_patches(sides, scale_range, aspect_range, np.random.RandomState(seed).random_sample((4, 50, 1)))
    found = in_pixels(patches, sides)
    np.testing.assert_allclose(found, found.round(), atol=1e-6)
    found = found.round()
    size, end = found[:, 2:], found[:, :2] + found[:, 2:]
    # A window may have no whole number of pixels in the range: then the side is that of the window, truncated.
    assert ((size >= scale_range[0] * sides) | (size == np.floor(sides))).all()
    assert ((size <= scale_range[1] * sides) | (size == np.ceil(scale_range[0] * sides))).all()
    assert (found[:, :2] >= 0).all() and (end <= sides).all() and (size >= 1).all() and len(found) <= 50
    aspect = size[:, 0] / size[:, 1]
    assert ((aspect > aspect_range[0]) & (aspect < aspect_range[1])).all()


def test_an_image_too_narrow_for_any_patch_stays_whole():
    window = np.array([0.0, 0.0, 600.0, 50.0])
    box = np.array([[100.0, 5.0, 400.0, 45.0]])
    for seed in range(20):
        random = np.random.RandomState(seed)
        assert (crop(window, box, (None, 0.0), (0.3, 1.0), (0.5, 2.0), 50, random, 'sides') == window).all()
