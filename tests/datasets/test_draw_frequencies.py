from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.datasets.draw_frequencies import class_repeats, draw_frequencies, systematic_draw
from ssd_plugin.datasets.samplers import SeededDataset, StreamSampler
from ssd_plugin.errors import UserError


class Labels:
    """A dataset whose images have objects of these classes."""

    metainfo = {'classes': ('common', 'rare', 'never')}  # noqa: RUF012 - as MMDetection's datasets have it

    def __init__(self, *images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def get_data_info(self, index):
        return dict(instances=[dict(bbox=[0, 0, 1, 1], bbox_label=label) for label in self.images[index]])


# The rare class is in 1 of 4 images with objects.
IMAGES = Labels([0], [0, 0], [], [0, 1, 1], [0], [])


def test_repeat_factors_are_those_of_lvis():
    images, labels = np.array([0, 1, 1, 3, 3, 3, 4]), np.array([0, 0, 0, 0, 1, 1, 0])
    factors, fractions = class_repeats(images, labels, 1.0)
    assert fractions.tolist() == [1, 0.25] and factors.tolist() == [1, 2]
    # sqrt(0.36 / 0.25) = 1.2; the common class is above the threshold.
    assert class_repeats(images, labels, 0.36)[0].tolist() == pytest.approx([1, 1.2])
    assert class_repeats(images, labels, 0.2)[0].tolist() == [1, 1]


def test_an_image_is_drawn_as_often_as_its_rarest_class_demands():
    # Factors 1 1 1 2 1 1, scaled to 6 draws.
    expected = np.array([1, 1, 1, 2, 1, 1]) * 6 / 7
    np.testing.assert_allclose(draw_frequencies(IMAGES, 1.0, None), expected)
    np.testing.assert_allclose(draw_frequencies(SeededDataset(IMAGES), 1.0, None), expected)


@pytest.mark.parametrize('fraction', [0.0, 0.1, 0.9])
def test_images_without_objects_have_their_fraction_of_the_draws_whatever_the_classes(fraction):
    for threshold, filled in ((None, [1, 1, 1, 1]), (1.0, [1, 1, 2, 1])):
        found = draw_frequencies(IMAGES, threshold, fraction)
        np.testing.assert_allclose(found[[2, 5]], 6 * fraction / 2)
        np.testing.assert_allclose(found[[0, 1, 3, 4]], np.array(filled) * 6 * (1 - fraction) / sum(filled))


def test_the_log_names_factors_and_fractions(monkeypatch):
    said = []
    monkeypatch.setattr('ssd_plugin.datasets.draw_frequencies.print_log', lambda text, *args: said.append(text))
    draw_frequencies(IMAGES, 1.0, 0.1)
    draw_frequencies(IMAGES, 0.01, None)
    assert said == [
        'Repeat-factor sampling: classes drawn more often, by the factor: rare 2 (in 25.0% of images)',
        '2 of the 6 images have no objects: they are 10.0% of the draws',
        'Repeat-factor sampling: no class is rarer than oversample_thr',
    ]


@pytest.mark.parametrize(
    'dataset, message',
    [
        (Labels([0], [1]), 'empty_fraction=0.1 of StreamSampler needs images without objects'),
        (Labels([], []), 'none of the images of the training data has objects'),
        (range(3), 'which range does not give'),
    ],
)
def test_data_that_cannot_be_drawn_so_is_named(dataset, message):
    with pytest.raises(UserError, match=message):
        draw_frequencies(dataset, None, 0.1)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.integers(0, 10**6))
def test_every_image_is_drawn_as_often_as_its_frequency_rounded_down_or_up(values, seed):
    frequencies = np.array(values) + (0.1 if not any(values) else 0)
    frequencies *= len(frequencies) / frequencies.sum()
    drawn = systematic_draw(frequencies, np.random.default_rng(seed))
    counts = np.bincount(drawn, minlength=len(frequencies))
    assert len(drawn) == len(frequencies) and (np.abs(counts - frequencies) < 1 + 1e-6).all()
    assert (counts[frequencies == 0] == 0).all()


def test_on_average_the_frequencies_are_met_and_neighbors_are_drawn_independently():
    frequencies = np.full(10, 0.5)
    frequencies[5:] = 1.5
    counts = np.array(
        [np.bincount(systematic_draw(frequencies, np.random.default_rng(i)), minlength=10) for i in range(2000)]
    )
    np.testing.assert_allclose(counts.mean(axis=0), frequencies, atol=0.05)
    # In the order of the dataset, one of two neighbors would be drawn in every round.
    both = (counts[:, 0] > 0) & (counts[:, 1] > 0)
    assert 0.1 < both.mean() < 0.4


def sampler_of(rank=0, ranks=1, position=0, **options):
    sampler = StreamSampler(
        IMAGES, **{**dict(seed=3, endless=True, oversample_thr=1.0, empty_fraction=0.25), **options}
    )
    sampler.rank, sampler.world_size, sampler.position = rank, ranks, position
    return sampler


def draws(sampler, number):
    return [(int(draw), draw.seed) for draw in islice(sampler, number)]


@given(start=st.integers(0, 50), ranks=st.integers(1, 4))
def test_the_stream_is_the_same_from_anywhere_and_shared_by_ranks(start, ranks):
    whole = draws(sampler_of(), start + 8 * ranks)
    parts = [draws(sampler_of(rank, ranks, start), 8) for rank in range(ranks)]
    assert [draw for step in zip(*parts) for draw in step] == whole[start:]


def test_rounds_have_the_length_of_the_dataset_and_the_frequencies_on_average():
    rounds = [[index for index, _ in draws(sampler_of(position=6 * number), 6)] for number in range(3)]
    assert [index for part in rounds for index in part] == [index for index, _ in draws(sampler_of(), 18)]
    assert len({tuple(part) for part in rounds}) == 3
    counts = Counter(index for index, _ in draws(sampler_of(), 6000))
    for index, part in enumerate([0.15, 0.15, 0.125, 0.3, 0.15, 0.125]):
        assert counts[index] / 6000 == pytest.approx(part, abs=0.01)
    ordered = [index for index, _ in draws(sampler_of(shuffle=False), 6)]
    assert ordered == sorted(ordered)


def test_epochs_are_parts_of_the_stream():
    sampler = sampler_of(endless=False)
    sampler.set_epoch(2)
    assert [(int(draw), draw.seed) for draw in sampler] == draws(sampler_of(), 18)[12:]


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(oversample_thr=0.0), 'oversample_thr must be a fraction above 0 and up to 1, got 0.0'),
        (dict(oversample_thr=1.5), 'oversample_thr must be'),
        (dict(empty_fraction=1.0), 'empty_fraction must be a fraction of 0 or more and below 1, got 1.0'),
        (dict(empty_fraction=-0.1), 'empty_fraction must be'),
    ],
)
def test_options_out_of_their_range_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        StreamSampler(range(3), **options)
