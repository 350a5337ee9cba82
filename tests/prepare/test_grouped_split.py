"""Splits that keep alike images together and classes in proportion."""

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.prepare.grouped_split import duplicate_groups, split


@pytest.fixture
def photo(tmp_path):
    """A function that writes a smooth random image and returns its path."""

    def write(name, seed, size=(160, 120), shift=0, **options):
        noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3)).astype(np.uint8)
        image = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
        path = tmp_path / name
        cv2.imwrite(str(path), cv2.add(image, (shift,) * 4), *options.values())
        return path

    return write


def test_copies_of_another_size_or_compression_are_in_one_group(photo):
    paths = [
        photo('a.png', 1),
        photo('b.png', 2),
        photo('a_small.jpg', 1, (80, 60), quality=[cv2.IMWRITE_JPEG_QUALITY, 70]),
        photo('a_brighter.jpg', 1, shift=4),
        photo('c.png', 3),
    ]
    groups = duplicate_groups(paths)
    assert groups[0] == groups[2] == groups[3] and len(set(groups)) == 3


def test_images_that_say_nothing_are_alone(tmp_path, photo):
    for name in ('plain_1.png', 'plain_2.png'):
        cv2.imwrite(str(tmp_path / name), np.full((20, 20, 3), 7, np.uint8))
    (tmp_path / 'broken.jpg').write_bytes(b'no image')
    paths = [tmp_path / name for name in ('plain_1.png', 'plain_2.png', 'broken.jpg', 'missing.jpg')]
    assert len(set(duplicate_groups(paths))) == 4
    assert len(set(duplicate_groups([*paths, photo('a.png', 1)]))) == 5


def test_each_class_is_in_proportion():
    names = [['common']] * 900 + [['common', 'rare']] * 10 + [['other']] * 90
    held = split(names, range(1000), 0.2, seed=0)
    counts = Counter(name for image, chosen in zip(names, held) if chosen for name in set(image))
    assert counts['rare'] == 2 and counts['other'] == 18 and sum(held) == 200


@given(
    names=st.lists(st.lists(st.sampled_from('abc'), max_size=3), min_size=1, max_size=60),
    numbers=st.integers(1, 20),
    fraction=st.floats(0.05, 0.5),
    seed=st.integers(0, 5),
)
def test_groups_stay_together_and_the_same_seed_gives_the_same_split(names, numbers, fraction, seed):
    groups = [index % numbers for index in range(len(names))]
    held = split(names, groups, fraction, seed)
    assert held == split(names, groups, fraction, seed)
    assert all(len({chosen for chosen, group in zip(held, groups) if group == number}) <= 1 for number in groups)
    largest = max(Counter(groups).values())
    assert sum(held) <= fraction * len(names) + largest / 2 + 1e-9


def test_seeds_differ():
    names = [['a']] * 50
    assert len({tuple(split(names, range(50), 0.2, seed)) for seed in range(5)}) == 5
