"""20,000 draws against a plain implementation of the documented augmentation: one image, one try, one box at a time."""

import colorsys
import math
import random

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from scipy.stats import chi2_contingency, ks_2samp

from ssd_plugin.datasets.transforms.photometric_distortion import NO_DISTORTION, distort

DRAWS = 20000
WIDTH, HEIGHT = 640, 480
BOXES = [(40, 60, 200, 220), (150, 100, 600, 460), (500, 20, 560, 90)]
COLORS = dict(brightness=32.0, contrast=(0.5, 1.5), saturation=(0.5, 1.5), hue=18.0)
PIXEL = (60, 130, 170)


def agree(ours, plain):
    return ks_2samp(ours, plain).pvalue > 0.01


def equally_often(ours, plain):
    """Compare the counts of each value."""
    values = sorted(set(ours) | set(plain))
    table = np.array([[list(side).count(value) for value in values] for side in (ours, plain)])
    return chi2_contingency(table[:, table.sum(axis=0) >= 10]).pvalue > 0.01


def iou(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height)


def has_center(window, box):
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return window[0] < x < window[2] and window[1] < y < window[3]


def plain_zoom(zoom):
    left, top = random.uniform(0, (zoom - 1) * WIDTH), random.uniform(0, (zoom - 1) * HEIGHT)
    return -left, -top, zoom * WIDTH - left, zoom * HEIGHT - top


def plain_area_patch(x1, y1, x2, y2):
    scale = random.uniform(0.3, 1)
    aspect = random.uniform(max(0.5, scale**2), min(2, 1 / scale**2))
    w, h = scale * math.sqrt(aspect) * (x2 - x1), scale / math.sqrt(aspect) * (y2 - y1)
    x, y = random.uniform(x1, x2 - w), random.uniform(y1, y2 - h)
    return x, y, x + w, y + h


def plain_side_patch(x1, y1, x2, y2):
    """Return a patch in whole pixels of the window, or ``None`` for a try that failed."""
    width, height = int(x2 - x1), int(y2 - y1)
    w, h = int(random.uniform(0.3, 1) * width), int(random.uniform(0.3, 1) * height)
    if not 0.5 < h / w < 2:
        return None
    x, y = x1 + random.randint(0, width - w), y1 + random.randint(0, height - h)
    return x, y, x + w, y + h


PLAIN_PATCHES = dict(area=plain_area_patch, sides=plain_side_patch)


def plain_window(sampling):
    window = plain_zoom(random.uniform(1, 4)) if random.random() < 0.5 else (0, 0, WIDTH, HEIGHT)
    while True:
        constraint = random.choice([0.1, 0.3, 0.5, 0.7, 0.9, 'any', 'no crop'])
        if constraint == 'no crop':
            return window
        for _ in range(50):
            patch = PLAIN_PATCHES[sampling](*window)
            least = 0 if constraint == 'any' else constraint
            if (
                patch is not None
                and any(has_center(patch, box) for box in BOXES)
                and max(iou(patch, box) for box in BOXES) >= least
            ):
                return patch


def plain_colors(pixel):
    """Distort one BGR pixel; levels are rounded and clipped after each step."""

    def clipped(values):
        return [min(max(round(value), 0), 255) for value in values]

    def change_contrast(values):
        return clipped(value * contrast for value in values)

    contrast = random.uniform(0.5, 1.5) if random.random() < 0.5 else 1.0
    first = random.random() < 0.5
    if random.random() < 0.5:
        shift = random.uniform(-32, 32)
        pixel = clipped(value + shift for value in pixel)
    if first:
        pixel = change_contrast(pixel)
    saturate, turn = random.random() < 0.5, random.random() < 0.5
    if saturate or turn:
        h, s, v = colorsys.rgb_to_hsv(*(value / 255 for value in reversed(pixel)))
        s = min(s * random.uniform(0.5, 1.5), 1) if saturate else s
        h = (h + random.uniform(-18, 18) / 360) % 1 if turn else h
        pixel = clipped(255 * value for value in reversed(colorsys.hsv_to_rgb(h, s, v)))
    return pixel if first else change_contrast(pixel)


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(1)
    random.seed(1)


def augment(scale=(300, 300), **options):
    return TRANSFORMS.build(dict(type='FusedSSDAugment', scale=scale, **options))


def measured(windows):
    """Measure what windows show of an image with ``BOXES``."""
    boxes = np.array(BOXES, dtype=float)
    x1, y1, x2, y2 = windows.T
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    keep = ((centers > windows[:, None, :2]) & (centers < windows[:, None, 2:])).all(axis=2)
    sides = np.minimum(windows[:, None, 2:], boxes[:, 2:]) - np.maximum(windows[:, None, :2], boxes[:, :2])
    sizes = np.sqrt(np.prod(sides, axis=2) / ((x2 - x1) * (y2 - y1))[:, None], where=keep, out=np.zeros(keep.shape))
    overlaps = np.array([max(iou(window, box) for box in BOXES) for window in windows.tolist()])
    return dict(
        scale=np.sqrt((x2 - x1) * (y2 - y1) / (WIDTH * HEIGHT)),
        width=(x2 - x1) / WIDTH,
        height=(y2 - y1) / HEIGHT,
        aspect=(x2 - x1) / (y2 - y1) * HEIGHT / WIDTH,
        x=(x1 + x2) / 2,
        y=(y1 + y2) / 2,
        sizes=sizes[keep],
        kept=keep.sum(axis=1),
        # Which of the constraints it meets, and whether it is the image.
        constraint=np.digitize(overlaps, [0.1, 0.3, 0.5, 0.7, 0.9]),
        uncropped=(windows == [0, 0, WIDTH, HEIGHT]).all(axis=1),
    )


@pytest.mark.slow
@pytest.mark.parametrize('sampling, other', [('area', 'sides'), ('sides', 'area')])
def test_windows_and_kept_boxes_have_the_documented_distribution(sampling, other):
    boxes = np.array(BOXES, dtype=float)
    ours, theirs = (
        measured(np.array([transform._choose_window(WIDTH, HEIGHT, boxes, np.random) for _ in range(DRAWS)]))
        for transform in (augment(crop_sampling=sampling), augment(crop_sampling=other))
    )
    plain = measured(np.array([plain_window(sampling) for _ in range(DRAWS)]))
    for name in ('scale', 'width', 'height', 'aspect', 'x', 'y', 'sizes'):
        assert agree(ours[name], plain[name]), name
    for name in ('kept', 'constraint', 'uncropped'):
        assert equally_often(ours[name], plain[name]), name
    # The test is sensitive: it tells the two samplings from each other.
    for name in ('scale', 'width', 'height', 'aspect'):
        assert not agree(theirs[name], plain[name]), name


@pytest.mark.slow
@pytest.mark.parametrize('width, height', [(640, 480), (333, 500), (301, 301)])
def test_sides_and_aspect_ratios_keep_to_their_ranges(width, height):
    """Exactly, without zooming out: the sides are whole pixels, so that snapping does not change them."""
    boxes = np.array(BOXES) * ([width / WIDTH, height / HEIGHT] * 2)
    transform = augment(scale=(8, 8), crop_sampling='sides', zoom_out_prob=0.0, **NO_DISTORTION)
    image = np.zeros((height, width, 3), np.uint8)
    windows = np.array([transform.transform(dict(img=image, gt_bboxes=boxes))['window'] for _ in range(DRAWS)])
    sides = windows[:, 2:] - windows[:, :2]
    whole = (sides == [width, height]).all(axis=1)
    aspect = (sides[:, 0] / sides[:, 1])[~whole]
    assert (sides >= 0.3 * np.array([width, height])).all() and 0.5 < aspect.min() < 0.51 and 1.98 < aspect.max() < 2
    assert (windows.round() == windows).all() and (windows >= 0).all() and (windows[:, 2:] <= [width, height]).all()
    assert 1 / 8 < whole.mean() < 1 / 5


@pytest.mark.parametrize('width, height', [(640, 480), (300, 300)])
def test_patches_of_a_zoomed_out_image_keep_to_their_ranges(width, height):
    boxes = np.array(BOXES) * ([width / WIDTH, height / HEIGHT] * 2)
    transform = augment(
        crop_sampling='sides', zoom_out_prob=1.0, zoom_out_ratio=(2.5, 2.5), constraints=(0.0, 0.1, 0.3)
    )
    chosen, shown = [], []
    for seed in range(2000):
        np.random.seed(seed)
        chosen.append(transform._choose_window(width, height, boxes, np.random))
        np.random.seed(seed)
        shown.append(transform.transform(dict(img=np.zeros((height, width, 3), np.uint8), gt_bboxes=boxes))['window'])
    chosen, shown = (np.array(windows)[:, 2:] - np.array(windows)[:, :2] for windows in (chosen, shown))
    aspect = chosen[:, 0] / chosen[:, 1]
    assert (chosen >= 0.3 * 2.5 * np.array([width, height])).all() and aspect.min() > 0.5 and aspect.max() < 2
    # Snapping to pixels of the result changes the sides by about a percent.
    assert np.quantile(np.abs(shown / chosen - 1), 0.99) < 0.015


def test_zoom_has_the_documented_distribution():
    transform = augment(constraints=(None,))
    ours = np.array([transform._choose_window(WIDTH, HEIGHT, np.zeros((0, 4)), np.random) for _ in range(DRAWS)])
    plain = np.array(
        [plain_zoom(random.uniform(1, 4)) if random.random() < 0.5 else (0, 0, WIDTH, HEIGHT) for _ in range(DRAWS)]
    )
    for windows in zip(ours.T, plain.T):
        assert agree(*windows)
    assert agree((ours[:, 2] - ours[:, 0]) / WIDTH, (plain[:, 2] - plain[:, 0]) / WIDTH)


def test_flips_have_the_documented_distribution():
    for options, plain in (
        (dict(), lambda: random.choice(['horizontal', None])),
        (
            dict(flip_prob=[0.25] * 3, flip_direction=['horizontal', 'vertical', 'diagonal']),
            lambda: random.choice(['horizontal', 'vertical', 'diagonal', None]),
        ),
    ):
        transform = augment(**options)
        assert equally_often(
            [str(transform._choose_flip(np.random)) for _ in range(DRAWS)], [str(plain()) for _ in range(DRAWS)]
        )


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'hue'])
def test_each_color_change_alone_has_the_documented_distribution(name):
    options = {**dict(brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0), name: COLORS[name]}
    pixel = (0, 0, 255) if name == 'hue' else (120, 120, 120)
    image = np.array([[pixel]], dtype=np.uint8)
    ours = [distort(image, random=np.random, **options)[0, 0].astype(float) for _ in range(DRAWS)]
    if name == 'brightness':
        found = [values[0] for values in ours]
        plain = [120 + (random.randint(0, 1) and round(random.uniform(-32, 32))) for _ in range(DRAWS)]
    elif name == 'contrast':
        found = [values[0] for values in ours]
        plain = [round(120 * (random.uniform(0.5, 1.5) if random.random() < 0.5 else 1)) for _ in range(DRAWS)]
    else:
        found = [round(360 * ((colorsys.rgb_to_hsv(*values[::-1] / 255)[0] + 0.5) % 1 - 0.5)) for values in ours]
        # In OpenCV's steps of two degrees.
        plain = [random.randint(0, 1) and 2 * round(random.uniform(-18, 18) / 2) for _ in range(DRAWS)]
    assert agree(found, plain)
    assert set(found) <= set(plain) | {min(plain), max(plain)}


def test_all_color_changes_together_have_the_documented_distribution():
    image = np.array([[PIXEL]], dtype=np.uint8)
    ours = np.array([distort(image, random=np.random, **COLORS)[0, 0] for _ in range(DRAWS)])
    plain = np.array([plain_colors(PIXEL) for _ in range(DRAWS)])
    # Hue and saturation are rounded to 8 bits in between, which changes some levels by one.
    for channel in range(3):
        blur = np.random.uniform(-1.5, 1.5, (2, DRAWS))
        assert agree(ours[:, channel] + blur[0], plain[:, channel] + blur[1]), channel
