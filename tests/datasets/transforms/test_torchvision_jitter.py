from itertools import permutations, product

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import chisquare, kstest
from torchvision.transforms import functional

from ssd_plugin.datasets.transforms import torchvision_jitter as module
from ssd_plugin.datasets.transforms.photometric_distortion import distort

NAMES = ('adjust_brightness', 'adjust_contrast', 'adjust_saturation', 'adjust_hue')
RANGES = dict(brightness=(0.5, 1.5), contrast=(0.6, 1.4), saturation=(0.7, 1.3), hue=18 / 255 * 360)
FACTORS = [0.0, 0.5, 0.77, 1.0, 1.3, 1.5]
DEGREES = [-180.0, -25.4, -3.1, 0.0, 0.2, 11.3, 25.4, 180.0]


def colorful_image():
    """Return noise, with rows of black, white, grays and a vivid color."""
    image = np.random.RandomState(0).randint(0, 256, (60, 45, 3), dtype=np.uint8)
    image[:3], image[3:6], image[6:9], image[9:12] = 0, 255, image[6:9, :, :1], (255, 0, 90)
    return image


def photo():
    coarse = np.random.RandomState(1).randint(40, 200, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (80, 60), interpolation=cv2.INTER_CUBIC)


def in_torchvision(name, image, value, kind='tensor'):
    rgb = np.ascontiguousarray(image[..., ::-1])
    given = Image.fromarray(rgb) if kind == 'PIL' else torch.from_numpy(rgb).permute(2, 0, 1)
    found = getattr(functional, name)(given, value / 360 if name == 'adjust_hue' else value)
    rgb = np.array(found) if kind == 'PIL' else found.permute(1, 2, 0).numpy()
    return rgb[..., ::-1].astype(int)


@pytest.fixture
def calls(monkeypatch):
    """The names and values of the adjustments made, which are still made."""
    made = []

    def recorder(name, adjust):
        def record(image, value):
            made.append((name, value))
            return adjust(image, value)

        return record

    for name in NAMES:
        monkeypatch.setattr(module, name, recorder(name, getattr(module, name)))
    return made


# The hue of PIL is one of 255 steps, which changes a level by up to 16.
@pytest.mark.parametrize('name, kind', [*((name, 'tensor') for name in NAMES), *((name, 'PIL') for name in NAMES[:3])])
def test_each_adjustment_is_that_of_torchvision_within_a_level(name, kind):
    image = colorful_image()
    for value in DEGREES if name == 'adjust_hue' else FACTORS:
        found = getattr(module, name)(image, value).astype(int)
        assert np.abs(found - in_torchvision(name, image, value, kind)).max() <= (name != 'adjust_brightness'), value


def test_an_adjustment_changes_what_it_says():
    """Each is told from the others, and from the original release's."""
    image = np.full((4, 4, 3), (60, 100, 200), dtype=np.uint8)
    gray = round(0.114 * 60 + 0.587 * 100 + 0.299 * 200)
    assert module.adjust_brightness(image, 1.25)[0, 0].tolist() == [75, 125, 250]
    # The mean of an image in one color, and with it the release's contrast of a gray one, is kept.
    assert module.adjust_contrast(np.full_like(image, 90), 0.5).tolist() == np.full_like(image, 90).tolist()
    # Differences from the gray level are halved.
    assert module.adjust_saturation(image, 0.5)[0, 0].tolist() == [(c + gray + 1) // 2 for c in (60, 100, 200)]
    assert module.adjust_hue(image, 120.0)[0, 0].tolist() == [100, 200, 60]


def test_a_distorted_image_is_that_of_torchvision(calls):
    random, changed = np.random.RandomState(0), 0
    for _ in range(50):
        calls.clear()
        image = photo()
        found = distort(image, **RANGES, random=random, method='torchvision').astype(int)
        expected = image
        for name, value in calls:
            expected = in_torchvision(name, expected, value).astype(np.uint8)
        # A level in each of up to four steps, which the next one may multiply.
        assert np.abs(found - expected).max() <= 6 and np.abs(found - expected).mean() < 1
        changed += bool(calls)
    # All but one sixteenth.
    assert changed > 40


def test_steps_orders_and_factors_have_the_distribution_of_the_tutorial(calls):
    random = np.random.RandomState(0)
    image = np.full((1, 1, 3), 100, dtype=np.uint8)
    applied, orders, values = [], [], {name: [] for name in NAMES}
    for _ in range(20000):
        calls.clear()
        distort(image, **RANGES, random=random, method='torchvision')
        names = tuple(name for name, _ in calls)
        applied.append(frozenset(names))
        if len(names) == len(NAMES):
            orders.append(names)
        for name, value in calls:
            values[name].append(value)
    # Each with probability 1/2 and independently: all 16 subsets are equally likely.
    subsets = [frozenset(n for n, chosen in zip(NAMES, which) if chosen) for which in product((0, 1), repeat=4)]
    assert chisquare([applied.count(subset) for subset in subsets]).pvalue > 0.01
    counts = [orders.count(order) for order in permutations(NAMES)]
    assert min(counts) > 0 and sum(counts) == len(orders) and chisquare(counts).pvalue > 0.01
    for name, (low, high) in zip(NAMES, ((0.5, 1.5), (0.6, 1.4), (0.7, 1.3), (-RANGES['hue'], RANGES['hue']))):
        assert low <= min(values[name]) and max(values[name]) <= high
        assert kstest(values[name], 'uniform', (low, high - low)).pvalue > 0.01, name


def test_neutral_ranges_leave_an_image_as_it_is():
    image = colorful_image()
    neutral = dict(brightness=(1.0, 1.0), contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0)
    for seed in range(20):
        found = distort(image, **neutral, random=np.random.RandomState(seed), method='torchvision')
        assert (found == image).all()


def test_the_image_given_is_not_changed():
    for seed in range(10):
        image = colorful_image()
        distort(image, **RANGES, random=np.random.RandomState(seed), method='torchvision')
        assert (image == colorful_image()).all()
