import copy

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

from ssd_plugin.datasets.transforms.image_decoding import reduction
from ssd_plugin.datasets.transforms.load_encoded_image import EncodedImage
from ssd_plugin.datasets.transforms.photometric_distortion import NO_DISTORTION, distort
from ssd_plugin.datasets.transforms.window_choice import crop, zoom_out
from ssd_plugin.datasets.transforms.window_sampling import EMPTY, fit, frame, move, snap

FILL = (104, 116, 124)
PLAIN = dict(
    zoom_out_prob=0.0,
    constraints=(None,),
    flip_prob=0.0,
    brightness=0.0,
    contrast=(1.0, 1.0),
    saturation=(1.0, 1.0),
    hue=0.0,
)


def random_image(width=160, height=120):
    coarse = np.random.randint(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def results(boxes=([20, 30, 80, 90], [100, 10, 150, 60]), wrap=True):
    boxes = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    return dict(
        img=random_image(),
        img_shape=(120, 160),
        gt_bboxes=HorizontalBoxes(boxes) if wrap else boxes,
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.arange(len(boxes)) % 2 == 1,
        gt_names=[f'object {i}' for i in range(len(boxes))],
    )


def augment(**options):
    return TRANSFORMS.build({**dict(type='FusedSSDAugment', scale=(96, 64)), **options})


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)


def test_without_augmentation_it_is_a_resize():
    image = results()['img']
    found = augment(**PLAIN).transform(dict(results(), img=image))
    expected = cv2.resize(image, (96, 64), interpolation=cv2.INTER_LINEAR)
    assert np.abs(found['img'].astype(int) - expected).max() <= 1
    np.testing.assert_allclose(
        found['gt_bboxes'].tensor[0], [20 * 0.6, 30 * 64 / 120, 80 * 0.6, 90 * 64 / 120], rtol=1e-5
    )
    assert found['img_shape'] == (64, 96) and found['scale_factor'] == pytest.approx((0.6, 64 / 120))


def test_flip_mirrors_image_and_boxes():
    image = results()['img']
    plain, flipped = (augment(**{**PLAIN, 'flip_prob': p}).transform(dict(results(), img=image)) for p in (0.0, 1.0))
    assert np.abs(flipped['img'][:, ::-1].astype(int) - plain['img']).max() <= 1
    np.testing.assert_allclose(
        flipped['gt_bboxes'].tensor[:, [0, 2]], 96 - plain['gt_bboxes'].tensor[:, [2, 0]], rtol=1e-5
    )
    assert flipped['flip'] and flipped['flip_direction'] == 'horizontal' and not plain['flip']


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_window_is_what_expanding_cropping_and_resizing_show(seed):
    """On whole pixels, where the steps of the usual pipeline can be computed separately."""
    random = np.random.RandomState(seed)
    np.random.seed(seed)
    image = random_image()
    left, top = random.randint(0, 200, 2)
    canvas = np.full((120 + 400, 160 + 400, 3), FILL, dtype=np.uint8)
    canvas[top : top + 120, left : left + 160] = image
    x, y = random.randint(0, 200, 2)
    # Integer multiples of the result, so that the image's border lies between pixels of the result, too.
    width, height = 96 * random.randint(1, 4), 64 * random.randint(1, 4)
    wanted = np.array([x - left, y - top, x - left + width, y - top + height], dtype=float)
    window, source, target = snap(wanted, (160, 120), (96, 64))
    assume((window == wanted).all())
    expected = cv2.resize(canvas[y : y + height, x : x + width], (96, 64), interpolation=cv2.INTER_LINEAR).astype(int)
    shown = (
        None
        if target == EMPTY
        else fit(image[source[1] : source[3], source[0] : source[2]], target, None, cv2.INTER_LINEAR)
    )
    found = frame(shown, target, (96, 64), None, FILL).astype(int)
    inside = np.zeros((64, 96), bool)
    inside[target[1] + 1 : target[3] - 1, target[0] + 1 : target[2] - 1] = True
    assert np.abs(found - expected)[inside].max(initial=0) <= 1
    assert (found[canvas_is_fill(window, (160, 120), (96, 64))] == FILL).all()


def canvas_is_fill(window, size, scale):
    """Return the mask of the result's pixels whose centers lie outside the image."""
    x, y = ((np.arange(n) + 0.5) / n * (window[2 + i] - window[i]) + window[i] for i, n in enumerate(scale))
    return ((x < 0) | (x > size[0]))[None, :] | ((y < 0) | (y > size[1]))[:, None]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 60))
def test_windows_snap_to_whole_pixels_and_by_less_than_one(seed, width, height):
    random = np.random.RandomState(seed)
    window = np.sort(random.uniform(-50, 110, (2, 2)), axis=0).reshape(4)
    if (window[2:] - window[:2] < 2).any():
        return
    snapped, source, target = snap(window, (width, height), (40, 30))
    if target == EMPTY:
        return
    pixel = (snapped[2:] - snapped[:2]) / (40, 30)
    # The two parts show the same under the snapped window.
    corners = move(np.array([source], dtype=float), snapped, (40, 30), None)[0]
    np.testing.assert_allclose(corners, target, atol=1e-6)
    # Each end inside the image moves by half a pixel of it, each outside by half a pixel of the result.
    wanted = np.clip((np.array(source).reshape(2, 2) - window[:2]) / (window[2:] - window[:2]), 0, 1) * (40, 30)
    reach = 0.5 / np.minimum(1, (window[2:] - window[:2]) / (40, 30)) + 0.5
    assert (np.abs(wanted - np.array(target).reshape(2, 2)) <= reach + 1e-6).all()
    assert 0 <= source[0] < source[2] <= width and 0 <= target[1] < target[3] <= 30 and (pixel > 0).all()


def test_pixels_outside_the_image_are_the_fill_whatever_the_distortion():
    transform = augment(
        zoom_out_prob=1.0, zoom_out_ratio=(3.0, 4.0), constraints=(None,), fill=(124.2, 115.7, 104.1), brightness=100.0
    )
    for _ in range(10):
        found = transform.transform(results())['img']
        border = np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])
        assert (border == FILL).all(axis=1).mean() > 0.7
        assert (found == FILL).all(axis=2).mean() > 1 - 1 / 9 - 0.05


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), wrap=st.booleans(), number=st.integers(0, 6))
def test_every_field_stays_with_its_object(seed, wrap, number):
    np.random.seed(seed)
    corner = np.random.rand(number, 2) * [140, 100]
    boxes = np.concatenate([corner, corner + 5 + np.random.rand(number, 2) * 15], axis=1)
    found = augment().transform(results(boxes, wrap))
    after = found['gt_bboxes'].tensor.numpy() if wrap else found['gt_bboxes']
    labels = found['gt_bboxes_labels']
    assert isinstance(found['gt_bboxes'], HorizontalBoxes) == wrap
    assert len(after) == len(labels) == len(found['gt_ignore_flags']) == len(found['gt_names'])
    assert (found['gt_ignore_flags'] == (labels % 2 == 1)).all() and found['gt_names'] == [
        f'object {i}' for i in labels
    ]
    assert (after[:, :2] < after[:, 2:]).all() and (after >= 0).all() and (after <= [96, 64, 96, 64]).all()
    # A crop keeps at least one object.
    assert len(after) > 0 or number == 0
    assert found['img'].shape == (64, 96, 3) and found['img'].dtype == np.uint8


@pytest.mark.parametrize('options', [dict(), PLAIN, dict(zoom_out_prob=1.0, zoom_out_ratio=(4.0, 4.0))])
def test_a_float_image_gives_what_one_of_8_bits_gives(options):
    sample = results()
    for seed in range(6):
        found = []
        for dtype in (np.uint8, np.float32):
            np.random.seed(seed)
            found.append(augment(**options).transform(dict(copy.deepcopy(sample), img=sample['img'].astype(dtype))))
        assert found[1]['img'].dtype == np.float32 and (found[0]['img'] == found[1]['img']).all()
        # What PackDetInputs stacks without a copy.
        assert found[1]['img'].transpose(2, 0, 1).flags.c_contiguous


@pytest.mark.parametrize('change', [lambda image: image / 255, lambda image: image - 127, lambda image: image * 2.0])
def test_an_image_without_levels_is_refused(change):
    sample = results()
    with pytest.raises(ValueError, match='takes images of whole levels from 0 to 255'):
        augment().transform(dict(sample, img=change(sample['img'].astype(np.float32))))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), direction=st.sampled_from(['horizontal', 'vertical', 'diagonal']))
def test_the_homography_takes_the_boxes_where_they_are(seed, direction):
    np.random.seed(seed)
    sample = results(wrap=False)
    earlier = np.array([[1, 0, 3], [0, 2, 0], [0, 0, 1]], np.float32)
    options = dict(flip_prob=0.7, flip_direction=direction, zoom_out_prob=0.5)
    found = augment(**options).transform(dict(copy.deepcopy(sample), homography_matrix=earlier))
    assert found['homography_matrix'].dtype == np.float32 and found['homography_matrix'].shape == (3, 3)
    matrix = found['homography_matrix'].astype(float) @ np.linalg.inv(earlier)
    corners = sample['gt_bboxes'][found['gt_bboxes_labels']].reshape(-1, 2, 2)
    points = np.concatenate([corners, np.ones((len(corners), 2, 1))], axis=2) @ matrix.T
    # A flip exchanges the corners; the result clips them.
    ordered = np.sort(points[..., :2], axis=1).clip(0, (96, 64)).reshape(-1, 4)
    np.testing.assert_allclose(found['gt_bboxes'], ordered, atol=1e-3)


def test_the_homography_of_a_plain_flip_by_hand():
    found = augment(**{**PLAIN, 'flip_prob': 1.0}).transform(results())
    # From 160x120 to 96x64, and x' = 96 - x.
    np.testing.assert_allclose(found['homography_matrix'], [[-0.6, 0, 96], [0, 64 / 120, 0], [0, 0, 1]], rtol=1e-6)


@pytest.mark.parametrize('encoded', [False, True])
def test_markers_land_where_their_boxes_say(encoded):
    """A rendered disk is found in the result to less than a pixel, with zoom, crop, flips and reduced decoding."""
    x, y = np.meshgrid(np.arange(800) + 0.5, np.arange(600) + 0.5)
    transform = augment(
        **{
            **PLAIN,
            'zoom_out_prob': 0.5,
            'constraints': (None, 0.1, 0.0),
            'flip_prob': [0.25] * 3,
            'flip_direction': ['horizontal', 'vertical', 'diagonal'],
            'fill': (0, 0, 0),
        },
        scale=(150, 130),
    )
    worst, reduced = 0.0, set()
    for seed in range(150):
        np.random.seed(seed)
        center, radius = np.random.uniform(200, 400, 2), np.random.uniform(50, 100)
        disk = np.clip(radius - np.hypot(x - center[0], y - center[1]) + 0.5, 0, 1)
        image = np.repeat((255 * disk).astype(np.uint8)[..., None], 3, axis=2)
        data = dict(img=image)
        if encoded:
            jpeg = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
            data = dict(encoded_img=EncodedImage(jpeg, (800, 600), pytest.fail))
        box = [[*(center - radius), *(center + radius)]]
        found = transform.transform(dict(data, gt_bboxes=np.array(box)))
        x1, y1, x2, y2 = found['gt_bboxes'][0]
        if min(x1, y1) <= 0 or x2 >= 150 or y2 >= 130:
            continue
        weight = found['img'][..., 0].astype(float)
        reduced.add(reduction(1 / np.array(found['scale_factor']) * (150, 130), (150, 130)))
        middle = [
            (weight.sum(axis=axis) * (np.arange(weight.shape[1 - axis]) + 0.5)).sum() / weight.sum() for axis in (0, 1)
        ]
        worst = max(worst, abs(middle[0] - (x1 + x2) / 2), abs(middle[1] - (y1 + y2) / 2))
    assert worst < 0.3 and reduced >= {1, 2, 4}


def test_objects_follow_their_pixels():
    """A white object on black: where the box says it is, the result is white, and nowhere else."""
    for seed in range(20):
        np.random.seed(seed)
        image = np.zeros((120, 160, 3), dtype=np.uint8)
        image[40:80, 60:120] = 255
        found = augment(
            **{**PLAIN, 'zoom_out_prob': 0.5, 'constraints': (None, 0.3, 0.7), 'flip_prob': 0.5, 'fill': (0, 0, 0)}
        ).transform(dict(results([[60, 40, 120, 80]]), img=image))
        x1, y1, x2, y2 = found['gt_bboxes'].tensor[0].round().int().tolist()
        white = found['img'][..., 0] > 127
        assert white[y1:y2, x1:x2].mean() > 0.95
        assert white.sum() < 1.1 * (x2 - x1) * (y2 - y1) + 40


def test_the_same_seed_gives_the_same_image():
    first, second = [], []
    for found in (first, second):
        np.random.seed(7)
        found += [augment().transform(results()) for _ in range(3)]
    for a, b in zip(first, second):
        assert (a['img'] == b['img']).all() and torch.equal(a['gt_bboxes'].tensor, b['gt_bboxes'].tensor)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    least=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7]),
    sampling=st.sampled_from(['area', 'sides']),
)
def test_patches_meet_their_constraint(seed, least, sampling):
    random = np.random.RandomState(seed)
    window = zoom_out(160, 120, (1.0, 2.0), random)
    boxes = np.array([[20.0, 30.0, 120.0, 110.0]])
    patch = crop(window, boxes, (least, None), (0.3, 1.0), (0.5, 2.0), 50, random, sampling)
    if (patch == window).all():
        return
    size, sides = patch[2:] - patch[:2], window[2:] - window[:2]
    assert (patch[:2] >= window[:2] - 1e-9).all() and (patch[2:] <= window[2:] + 1e-9).all()
    fraction = size / sides
    smallest = np.sqrt(fraction.prod()) if sampling == 'area' else fraction.min()
    aspect = np.divide(*(fraction if sampling == 'area' else size))
    assert smallest + 1e-9 >= 0.3 and 0.5 - 1e-9 <= aspect <= 2 + 1e-9
    shared = np.prod(np.maximum(np.minimum(patch[2:], boxes[0, 2:]) - np.maximum(patch[:2], boxes[0, :2]), 0))
    assert shared / (np.prod(size) + 8000 - shared) >= least - 1e-9
    assert (patch[:2] < [70, 70]).all() and (patch[2:] > [70, 70]).all()


@pytest.mark.parametrize('sampling', ['area', 'sides'])
def test_constraints_are_equally_likely(sampling):
    random = np.random.RandomState(0)
    boxes = np.array([[40.0, 30.0, 120.0, 90.0]])
    window = np.array([0.0, 0.0, 160.0, 120.0])
    whole = np.mean(
        [
            (crop(window, boxes, (None, 0.0, 0.1, 0.3), (0.3, 1.0), (0.5, 2.0), 50, random, sampling) == window).all()
            for _ in range(2000)
        ]
    )
    assert 0.22 < whole < 0.28


def test_a_constraint_that_nothing_meets_leaves_the_image_whole():
    window = np.array([0.0, 0.0, 160.0, 120.0])
    assert (
        crop(window, np.array([[5.0, 5.0, 6.0, 6.0]]), (0.9,), (0.3, 1.0), (0.5, 2.0), 50, np.random.RandomState(0))
        == window
    ).all()


def test_an_object_inside_is_not_moved_out_of_the_result():
    window = np.array([10.0, 20.0, 110.0, 120.0])
    assert move(np.array([[0.0, 0.0, 60.0, 70.0]]), window, (100, 100), None).tolist() == [[0.0, 0.0, 50.0, 50.0]]
    assert move(np.array([[0.0, 0.0, 60.0, 70.0]]), window, (100, 100), 1).tolist() == [[50.0, 0.0, 100.0, 50.0]]
    assert move(np.array([[0.0, 0.0, 60.0, 70.0]]), window, (100, 100), -1).tolist() == [[50.0, 50.0, 100.0, 100.0]]


def test_each_color_change_has_its_documented_effect():
    image = np.full((8, 8, 3), (100, 150, 200), dtype=np.uint8)
    options = dict(brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0)
    seen = {name: [] for name in ('brightness', 'contrast', 'hue')}
    for seed in range(200):
        for name, value in (('brightness', 32.0), ('contrast', (0.5, 1.5)), ('hue', 18.0)):
            seen[name].append(
                distort(image, **{**options, name: value}, random=np.random.RandomState(seed))[0, 0].astype(int)
            )
    for name, values in seen.items():
        changed = np.array([v for v in values if (v != [100, 150, 200]).any()])
        assert 60 < len(changed) < 140, name
        if name == 'brightness':
            shift = changed - [100, 150, 200]
            assert (
                (shift == shift[:, :1]).all() and shift.min() < -25 and shift.max() > 25 and np.abs(shift).max() <= 32
            )
        if name == 'contrast':
            assert changed[:, 0].min() < 60 and changed[:, 0].max() > 140


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(interpolation='sharp'), 'sharp'),
        (dict(constraints=()), 'constraints'),
        (dict(flip_direction='around'), 'around'),
        (dict(flip_prob=[0.5, 0.6], flip_direction=['horizontal', 'vertical']), 'at most 1'),
        (dict(crop_sampling='corners'), 'crop_sampling must be one of area, sides'),
        (dict(crop_scale=(0.0, 1.0)), 'crop_scale'),
        (dict(crop_scale=(0.3, 1.1)), 'crop_scale'),
        (dict(crop_scale=0.3), 'crop_scale'),
        (dict(crop_aspect=(2.0, 0.5)), 'crop_aspect'),
        (dict(crop_aspect=(1.0, 1.0), crop_sampling='sides'), 'crop_aspect'),
        (dict(color_jitter='shuffled'), 'color_jitter must be one of release, torchvision'),
        (dict(color_jitter='torchvision'), r'brightness must be the range .*got 32.0'),
        (dict(color_jitter='torchvision', brightness=(-0.5, 1.5)), 'brightness'),
        (dict(brightness=(0.5, 1.5)), r"color_jitter='torchvision'"),
        (dict(brightness=-1.0), 'brightness'),
        (dict(contrast=(1.5, 0.5)), 'contrast'),
        (dict(saturation=(1.0,)), 'saturation'),
        (dict(hue=190.0), 'hue'),
        (dict(hue=-1.0), 'hue'),
    ],
)
def test_invalid_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        augment(**options)


TUTORIAL = dict(crop_sampling='sides', color_jitter='torchvision', brightness=[0.5, 1.5], hue=18 / 255 * 360)


def test_the_options_of_the_tutorial_are_named_in_the_text():
    text = repr(augment(**TUTORIAL))
    assert "'sampling': 'sides'" in text and "'method': 'torchvision'" in text and "'brightness': [0.5, 1.5]" in text


def test_without_distortion_the_tutorial_shows_the_same_window():
    """The window does not depend on the colors, and neither does what the sheet of stages shows."""
    transform = augment(**TUTORIAL)
    plain = copy.copy(transform)
    plain.colors = NO_DISTORTION
    colored = 0
    image = random_image()
    for seed in range(20):
        found = []
        for step in (transform, plain):
            np.random.seed(seed)
            found.append(step.transform(dict(results(), img=image.copy())))
        assert found[0]['window'] == found[1]['window']
        assert torch.equal(found[0]['gt_bboxes'].tensor, found[1]['gt_bboxes'].tensor)
        colored += (found[0]['img'] != found[1]['img']).any()
    assert colored > 10


@pytest.mark.parametrize('name', ['gt_masks', 'gt_seg_map', 'gt_keypoints'])
def test_ground_truth_that_would_not_follow_is_refused(name):
    with pytest.raises(TypeError, match=name):
        augment().transform(dict(results(), **{name: np.zeros((120, 160))}))


@pytest.mark.parametrize('boxes', [[[5, 5, 5, 5]], [[-40, -30, -10, -5]], [[400, 300, 500, 400]]])
def test_unusable_boxes_are_dropped_and_a_usable_one_stays(boxes):
    usable = [40, 30, 120, 90]
    for seed in range(30):
        np.random.seed(seed)
        # The whole image, so that the usable box is always shown.
        found = augment(constraints=(None,)).transform(results([*boxes, usable]))
        kept = found['gt_bboxes'].tensor.numpy()
        assert found['img'].shape == (64, 96, 3) and kept.shape == (1, 4) and (kept[:, 2:] > kept[:, :2]).all()
