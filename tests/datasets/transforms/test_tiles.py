"""Training in tiles: windows of a large image at its own resolution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import TRANSFORMS

from ssd_plugin.datasets.transforms.window_choice import choose_tile

PLAIN = dict(
    zoom_out_prob=0.0,
    constraints=(None,),
    flip_prob=0.0,
    brightness=0.0,
    contrast=(1.0, 1.0),
    saturation=(1.0, 1.0),
    hue=0.0,
)


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)


def augment(**options):
    return TRANSFORMS.build({**dict(type='FusedSSDAugment', scale=(60, 40), tile=(60, 40)), **PLAIN, **options})


def sample(boxes, width=300, height=200):
    image = np.random.randint(0, 256, (height, width, 3), dtype=np.uint8)
    labels = np.arange(len(boxes))
    return dict(img=image, gt_bboxes=np.array(boxes, np.float32).reshape(-1, 4), gt_bboxes_labels=labels)


def test_a_tile_has_the_pixels_of_the_image_and_its_objects():
    boxes = [(100, 80, 120, 100), (10, 10, 20, 20)]
    shown = set()
    for _ in range(50):
        given = sample(boxes)
        found = augment(tile_around_object=1.0)(dict(given))
        x1, y1, x2, y2 = (round(side) for side in found['window'])
        assert (x2 - x1, y2 - y1) == (60, 40) and x1 >= 0 and y1 >= 0 and x2 <= 300 and y2 <= 200
        assert (found['img'] == given['img'][y1:y2, x1:x2]).all()
        np.testing.assert_allclose(
            found['gt_bboxes'] + [x1, y1, x1, y1], np.array(boxes)[found['gt_bboxes_labels']], atol=1e-4
        )
        shown |= set(found['gt_bboxes_labels'].tolist())
    assert shown == {0, 1}


def test_an_object_whose_center_is_outside_a_tile_is_left_out_and_one_inside_is_clipped(monkeypatch):
    name = 'ssd_plugin.datasets.transforms.fused_ssd_augment.choose_tile'
    monkeypatch.setattr(name, lambda *args: np.array([100.0, 50.0, 160.0, 90.0]))
    found = augment()(sample([(90, 60, 120, 80), (85, 60, 114, 80)]))
    assert found['gt_bboxes'].tolist() == [[0, 10, 20, 30]] and found['gt_bboxes_labels'].tolist() == [0]
    # The crop follows the objects of the tile, and without any shows all of it.
    found = augment(constraints=(0.9,))(sample([(0, 0, 30, 30)]))
    assert found['window'] == (100, 50, 160, 90) and len(found['gt_bboxes']) == 0


def test_zooming_out_shows_what_surrounds_the_tile():
    given = sample([(140, 90, 160, 110)])
    found = augment(tile_around_object=1.0, zoom_out_prob=1.0, zoom_out_ratio=(2, 2), interpolation='nearest')(given)
    window = np.array(found['window'])
    assert (window[2:] - window[:2]).tolist() == pytest.approx([120, 80], abs=1.5)
    assert window.min() >= 0 and not (found['img'] == [104, 116, 124]).all(axis=2).any()
    assert len(found['gt_bboxes']) == 1


def test_without_objects_and_around_none_tiles_are_anywhere():
    for boxes, around in (([], 0.9), ([(0, 0, 30, 30)], 0.0)):
        corners = np.array([augment(tile_around_object=around)(sample(boxes))['window'][:2] for _ in range(200)])
        assert (corners.min(axis=0) < [25, 20]).all() and (corners.max(axis=0) > [215, 140]).all()


def test_the_fraction_of_tiles_around_objects_is_that_of_the_option():
    # By chance, a tile shows the object in about 2% of the places.
    shown = [len(augment(tile_around_object=0.7)(sample([(3, 3, 13, 13)]))['gt_bboxes']) for _ in range(400)]
    assert np.mean(shown) == pytest.approx(0.7, abs=0.08)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    st.integers(0, 10**6),
)
def test_a_tile_lies_in_the_image_or_around_it_and_shows_its_object(size, tile, seed):
    random = np.random.RandomState(seed)
    ends = np.sort(random.random_sample((2, 2)), axis=0) * size
    x1, y1, x2, y2 = choose_tile(*size, ends.reshape(1, 4), tile, 1.0, random)
    assert (x2 - x1, y2 - y1) == pytest.approx(tile)
    for low, high, length, side, (start, end) in (
        (x1, x2, size[0], tile[0], ends.T[0]),
        (y1, y2, size[1], tile[1], ends.T[1]),
    ):
        if side <= length:
            assert low > -1e-6 and high < length + 1e-6
        else:
            assert low < 1e-6 and high > length - 1e-6
        if end - start <= side:
            assert low < start + 1e-6 and high > end - 1e-6
        else:
            assert low < (start + end) / 2 < high


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(tile=(0, 10)), r'tile must be \(width, height\) in pixels of the image, got \(0, 10\)'),
        (dict(tile=300), 'tile must be'),
        (dict(tile_around_object=1.5), 'tile_around_object must be a probability of 0 to 1, got 1.5'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        augment(**options)
