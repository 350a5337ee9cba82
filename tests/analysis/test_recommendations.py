"""What suits a dataset."""

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

from ssd_plugin.analysis.dataset_statistics import DatasetStatistics
from ssd_plugin.analysis.recommendations import batch_size, colors, flips, input_size, iterations, zoom


def statistics(size=(640, 480), side=0.2, spread=0.4, gray=False, tilts=(0.0, 0.0), images=200):
    fractions = np.full((images, 2), side)
    return DatasetStatistics(images, 0, {'cat': images}, size, fractions, spread, gray, *tilts)


@pytest.mark.parametrize(
    'size, expected',
    [
        ((640, 480), (320, 240)),
        ((4000, 3000), (320, 240)),
        ((1000, 1000), (288, 288)),
        ((1920, 1080), (384, 224)),
        ((480, 640), (240, 320)),
        # At most 3:1.
        ((9000, 500), (480, 160)),
    ],
)
def test_the_input_has_the_shape_of_the_images(size, expected):
    assert input_size(statistics(size)).value == expected


def test_small_objects_get_a_larger_input_if_the_images_have_the_pixels():
    assert input_size(statistics((2560, 1920), side=0.03)).value == (512, 384)
    assert 'smaller' in input_size(statistics((2560, 1920), side=0.03)).reason
    assert input_size(statistics((320, 240), side=0.03)).value == (320, 240)


def test_flips_upside_down_are_for_images_without_an_orientation():
    assert flips(statistics()).value['flip_direction'] == ['horizontal', 'vertical', 'diagonal']
    for tilts in ((3, 0), (0, 3), (0, -3)):
        assert flips(statistics(tilts=tilts)).value == dict(flip_prob=0.5, flip_direction='horizontal')


def test_the_zoom_follows_the_sizes_of_objects():
    assert zoom(statistics(spread=0.3), (320, 240)).value['zoom_out_ratio'] == (1, 1.5)
    assert zoom(statistics(spread=0.7), (320, 240)).value['zoom_out_ratio'] == (1, 2)
    assert zoom(statistics(spread=1.2), (320, 240)).value['zoom_out_ratio'] == (1, 4)
    # Objects of 0.1 * sqrt(320 * 240) = 27.7 pixels may become 10 pixels, those of 8.3 no smaller.
    assert zoom(statistics(spread=1.2, side=0.1), (320, 240)).value['zoom_out_ratio'] == (1, 2.7)
    assert zoom(statistics(spread=1.2, side=0.03), (320, 240)).value['zoom_out_prob'] == 0


@pytest.mark.parametrize('spread', [0.2, 0.7, 1.5])
@pytest.mark.parametrize('side', [0.01, 0.1, 0.5])
def test_the_augmentation_takes_the_options(spread, side):
    found = statistics(spread=spread, side=side, gray=True)
    options = zoom(found, (320, 240)).value | flips(found).value | colors(found).value
    TRANSFORMS.build(dict(type='FusedSSDAugment', scale=(320, 240), **options))


def test_colors_change_unless_the_images_are_gray():
    assert colors(statistics()) is None
    assert colors(statistics(gray=True)).value == dict(saturation=(1.0, 1.0), hue=0.0)


def test_the_length_is_200_epochs_or_what_the_time_allows():
    # 200 * 292 / 16 = 3650
    assert iterations(292, 16, 0.1, 20).value == 3600
    limited = iterations(292, 16, 0.5, 20)
    assert limited.value == 2400 and '3600 would be better' in limited.reason
    assert '132 epochs, which take 20 minutes' in limited.reason
    assert iterations(20, 8, 0.1, 20).value == 1500
    assert iterations(10**6, 16, 0.01, 600).value == 20000
    # Never none.
    assert iterations(292, 16, 60, 1).value == 100


def test_few_images_make_smaller_batches():
    assert batch_size(292).value == 16 and batch_size(63).value == 8
