"""Statistics of a dataset."""

import cv2
import numpy as np
import pytest

from ssd_plugin.analysis.dataset_statistics import SizedImage, measure


@pytest.fixture
def images(tmp_path):
    """A function that returns images with objects of given sizes, and pixels made by a function of the index."""

    def make(number, boxes, pixels=lambda index: np.full((48, 64, 3), 90, np.uint8), names=('cat',)):
        found = []
        for index in range(number):
            path = tmp_path / f'{index}.png'
            cv2.imwrite(str(path), pixels(index))
            corners = np.array(boxes(index), float).reshape(-1, 4)
            found.append(SizedImage(path, (64, 48), names * len(corners), corners))
        return found

    return make


def test_objects_are_measured_as_fractions_of_their_images(images):
    found = measure(images(3, lambda index: [(0, 0, 32, 12)] * index))
    assert (found.images, found.empty, found.objects) == (3, 1, {'cat': 3})
    assert found.image_size == (64, 48)
    np.testing.assert_allclose(found.fractions, [(0.5, 0.25)] * 3)
    # The root of 160 x 60.
    np.testing.assert_allclose(found.sides((320, 240)), [97.98] * 3, atol=0.01)
    assert found.spread == 0


def test_the_spread_is_that_within_a_class(images):
    large = [SizedImage(image.path, image.size, ('dog',), image.boxes) for image in images(8, lambda _: (0, 0, 40, 40))]
    small = images(8, lambda index: (0, 0, 8 * 2 ** (index % 2), 8 * 2 ** (index % 2)))
    # Half of the images have a spread of half a factor of two either way, the others none.
    assert measure(small).spread == pytest.approx(0.5)
    assert measure(small + large).spread == pytest.approx(np.sqrt(0.5 * 0.25))


def test_gray_images_are_found_and_one_in_color_is_enough(images):
    plain = lambda _: (0, 0, 8, 8)  # noqa: E731
    assert measure(images(5, plain)).gray
    colored = np.full((48, 64, 3), (200, 90, 10), np.uint8)
    assert not measure(images(5, plain, lambda index: colored if index == 3 else np.full_like(colored, 90))).gray


def test_a_scene_has_an_orientation_and_cells_have_none(images):
    random = np.random.default_rng(0)

    def sky(_):
        image = random.integers(0, 100, (48, 64, 3))
        image[:24] += 60
        return image.astype(np.uint8)

    def anywhere(_):
        x, y = random.uniform(0, 54), random.uniform(0, 38)
        return x, y, x + 10, y + 10

    def noise(_):
        return random.integers(0, 255, (48, 64, 3)).astype(np.uint8)

    assert measure(images(80, anywhere, sky)).has_orientation
    assert measure(images(80, lambda _: (0, 30, 10, 48), noise)).has_orientation
    assert not measure(images(80, anywhere, noise)).has_orientation
    # Too few to tell.
    assert measure(images(20, anywhere, noise)).has_orientation


def test_a_dataset_without_objects_or_files_has_statistics(tmp_path):
    found = measure([SizedImage(tmp_path / 'missing.jpg', (64, 48), (), np.zeros((0, 4)))])
    assert found.objects == {} and found.spread == 0 and not found.gray and len(found.sides((320, 240))) == 0
