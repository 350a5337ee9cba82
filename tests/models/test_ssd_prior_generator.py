import math

import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmengine.config import Config
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from tests.support import CONFIGS

SSD300_FEATMAPS = [(s, s) for s in (38, 19, 10, 5, 3, 1)]


def of_config(name):
    return TASK_UTILS.build(Config.fromfile(CONFIGS / name).model.bbox_head.prior_generator)


def grid(generator, featmap_sizes=None):
    return torch.cat(generator.grid_priors(featmap_sizes or generator.featmap_sizes, device='cpu'))


def build(**options):
    return TASK_UTILS.build(dict(type='SSDPriorGenerator', **options))


def centers(priors):
    return torch.stack(
        [priors[:, ::2].mean(1), priors[:, 1::2].mean(1), priors[:, 2] - priors[:, 0], priors[:, 3] - priors[:, 1]], 1
    )


@pytest.mark.parametrize(
    'name, featmaps, per_cell, total',
    [
        ('ssd300_voc.py', [38, 19, 10, 5, 3, 1], [4, 6, 6, 6, 4, 4], 8732),
        ('ssd512_coco.py', [64, 32, 16, 8, 4, 2, 1], [4, 6, 6, 6, 6, 4, 4], 24564),
    ],
)
def test_numbers_of_priors_are_those_of_the_paper(name, featmaps, per_cell, total):
    generator = of_config(name)
    assert generator.featmap_sizes == [(s, s) for s in featmaps]
    assert generator.num_base_priors == per_cell
    assert len(grid(generator)) == total


def test_ssd300_rows_computed_by_hand():
    priors = centers(grid(of_config('ssd300_voc.py')))
    root = math.sqrt(2)
    # First cell of conv4_3: center .5 * 8, sizes 30, sqrt(30 * 60), ratio 2 and 1/2.
    first = [
        [4, 4, 30, 30],
        [4, 4, math.sqrt(1800), math.sqrt(1800)],
        [4, 4, 30 * root, 30 / root],
        [4, 4, 30 / root, 30 * root],
    ]
    torch.testing.assert_close(priors[:4], torch.tensor(first))
    # Second cell of the same row, and the last cell of all: center .5 * 300, sizes 264, sqrt(264 * 315).
    torch.testing.assert_close(priors[4], torch.tensor([12.0, 4.0, 30.0, 30.0]))
    torch.testing.assert_close(
        priors[-4:-2], torch.tensor([[150.0, 150.0, 264.0, 264.0], [150.0, 150.0, 288.374756, 288.374756]])
    )
    # First cell of conv7 (after 38 * 38 * 4 others): center .5 * 16, size 60, ratio 3.
    torch.testing.assert_close(priors[38 * 38 * 4 + 4], torch.tensor([8.0, 8.0, 60 * math.sqrt(3), 60 / math.sqrt(3)]))


@pytest.mark.parametrize(
    'name, ratio_range, strides, ratios',
    [
        ('ssd300_voc.py', (0.2, 0.9), [8, 16, 32, 64, 100, 300], [[2], [2, 3], [2, 3], [2, 3], [2], [2]]),
        ('ssd300_coco.py', (0.15, 0.9), [8, 16, 32, 64, 100, 300], [[2], [2, 3], [2, 3], [2, 3], [2], [2]]),
        ('ssd512_voc.py', (0.15, 0.9), [8, 16, 32, 64, 128, 256, 512], [[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]]),
        ('ssd512_coco.py', (0.1, 0.9), [8, 16, 32, 64, 128, 256, 512], [[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]]),
    ],
)
def test_configs_equal_mmdetections_generator(name, ratio_range, strides, ratios):
    theirs = TASK_UTILS.build(
        dict(
            type='SSDAnchorGenerator',
            scale_major=False,
            input_size=300 if '300' in name else 512,
            basesize_ratio_range=ratio_range,
            strides=strides,
            ratios=ratios,
        )
    )
    ours = of_config(name)
    torch.testing.assert_close(
        grid(ours), torch.cat(theirs.grid_priors(ours.featmap_sizes, device='cpu')), rtol=1e-5, atol=1e-4
    )
    assert ours.num_base_priors == theirs.num_base_priors and ours.strides == theirs.strides
    for ours_flags, their_flags in zip(
        ours.valid_flags(ours.featmap_sizes, (200, 300), 'cpu'),
        theirs.valid_flags(ours.featmap_sizes, (200, 300), 'cpu'),
    ):
        assert torch.equal(ours_flags, their_flags)


@pytest.mark.parametrize('steps', [None, [8, 16, 32, 64, 100, 300]])
def test_scales_equal_torchvisions_generator(steps):
    ratios = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
    scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87]
    theirs = DefaultBoxGenerator(ratios, scales=[*scales, 1.05], steps=steps, clip=True)
    expected = theirs(
        ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)]), [torch.zeros(1, 1, *size) for size in SSD300_FEATMAPS]
    )[0]
    ours = build(
        input_size=300,
        strides=[8, 16, 32, 64, 100, 300],
        aspect_ratios=ratios,
        scales=scales,
        next_scale=1.05,
        centers='step' if steps else 'featmap',
        clip='sizes',
    )
    torch.testing.assert_close(grid(ours), expected, rtol=1e-5, atol=1e-3)


def test_rectangle_equals_torchvisions_generator():
    theirs = DefaultBoxGenerator([[2], [2, 3]], scales=[0.2, 0.6, 1.0], clip=False)
    expected = theirs(
        ImageList(torch.zeros(1, 3, 240, 320), [(240, 320)]), [torch.zeros(1, 1, 30, 40), torch.zeros(1, 1, 15, 20)]
    )[0]
    ours = build(input_size=(320, 240), strides=[8, 16], aspect_ratios=[[2], [2, 3]], scales=[0.2, 0.6])
    torch.testing.assert_close(grid(ours), expected, rtol=1e-5, atol=1e-3)


def test_depthwise_detector_has_the_maps_of_the_design():
    generator = of_config('ssd_depthwise_320x240_voc.py')
    assert generator.featmap_sizes == [(30, 40), (15, 20), (8, 10), (4, 5)]
    # The last level's extra square prior has its own scale, 0.9 of both sides.
    torch.testing.assert_close(generator.shapes[-1][:2], torch.tensor([[288.0, 216.0]] * 2, dtype=torch.float64))


def test_paper_scales_with_own_first_level():
    generator = build(input_size=300, strides=[8, 16, 32, 64, 100, 300], scale_range=(0.2, 0.9), first_scale=0.1)
    expected = [30.0, 60.0, 112.5, 165.0, 217.5, 270.0]
    assert [float(shapes[0, 0]) for shapes in generator.shapes] == pytest.approx(expected)
    extra = [math.sqrt(a * b) for a, b in zip(expected, [*expected[1:], 300.0])]
    assert [float(shapes[1, 0]) for shapes in generator.shapes] == pytest.approx(extra)


@pytest.mark.parametrize('scale_to, side', [('short', 24.0), ('long', 32.0)])
def test_square_priors_stay_square_in_a_rectangle_when_asked(scale_to, side):
    generator = build(input_size=(320, 240), strides=[8], scales=[0.1], extra_prior=False, scale_to=scale_to)
    assert generator.shapes[0].tolist() == [[pytest.approx(side)] * 2]


def test_square_sizes_without_ratios():
    sizes = [[10, 16, 24], [32, 48]]
    generator = build(input_size=(320, 240), strides=[8, 16], sizes=sizes, clip='centers')
    assert generator.num_base_priors == [3, 2]
    priors = centers(generator.grid_priors([(30, 40), (15, 20)], device='cpu')[0])
    torch.testing.assert_close(priors[:3], torch.tensor([[4.0, 4.0, s, s] for s in (10.0, 16.0, 24.0)]))


def test_min_size_alone_has_no_extra_prior():
    assert build(input_size=100, strides=[10], sizes=[(30,)], aspect_ratios=[[2]]).num_base_priors == [3]


def test_order_of_a_level_by_indices():
    plain = build(input_size=100, strides=[10], sizes=[(30, 60)], aspect_ratios=[[2]])
    swapped = build(input_size=100, strides=[10], sizes=[(30, 60)], aspect_ratios=[[2]], order=[[3, 2, 1, 0]])
    assert torch.equal(plain.shapes[0].flip(0), swapped.shapes[0])


def test_other_feature_maps_are_an_error_that_shows_both():
    generator = of_config('ssd300_voc.py')
    with pytest.raises(ValueError, match=r'\(64, 64\).*input_size.*\(38, 38\)'):
        generator.grid_priors([(64, 64), *SSD300_FEATMAPS[1:]], device='cpu')


def test_grid_is_made_once_for_a_size_and_device():
    generator = of_config('ssd300_voc.py')
    assert (
        generator.grid_priors(SSD300_FEATMAPS, device='cpu')[0]
        is generator.grid_priors(SSD300_FEATMAPS, device='cpu')[0]
    )
    assert generator.grid_priors(SSD300_FEATMAPS, torch.float64, 'cpu')[0].dtype == torch.float64


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(strides=[8]), 'exactly one'),
        (dict(strides=[8], scales=[0.1], sizes=[(1, 2)]), 'exactly one'),
        (dict(strides=[8, 16], scales=[0.1]), 'scales has 1'),
        (dict(strides=[8], scales=[0.1], aspect_ratios=[[2], [2]]), 'aspect_ratios has 2'),
        (dict(strides=[8], sizes=[(1, 2, 3)], aspect_ratios=[[2]]), 'aspect_ratios to None'),
        (dict(strides=[8], scales=[0.1], clip='border'), 'clip'),
        (dict(strides=[8], scales=[0.1], centers='corner'), 'centers'),
    ],
)
def test_arguments_that_do_not_agree_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        build(input_size=300, **options)


def test_ratios_are_taken_as_they_are_without_flip():
    generator = TASK_UTILS.build(
        dict(
            type='SSDPriorGenerator',
            input_size=100,
            strides=[50],
            scales=[0.2],
            next_scale=0.8,
            aspect_ratios=[[2, 0.333]],
            flip=False,
        )
    )
    root = 2**0.5
    expected = [[20, 20], [40, 40], [20 * root, 20 / root], [20 * 0.333**0.5, 20 / 0.333**0.5]]
    torch.testing.assert_close(generator.shapes[0], torch.tensor(expected, dtype=torch.float64))


CLIPPED = dict(input_size=(60, 40), strides=[8, 16], scales=[0.3, 0.6], aspect_ratios=[[2], [2, 3]], clip='corners')


def test_priors_of_a_level_are_those_of_the_grid():
    generator = build(**CLIPPED)
    for level, (size, grid_of_level) in enumerate(
        zip(generator.featmap_sizes, generator.grid_priors(generator.featmap_sizes, device='cpu'))
    ):
        assert torch.equal(generator.single_level_grid_priors(size, level, device='cpu'), grid_of_level)
        chosen = torch.tensor([5, 0, len(grid_of_level) - 1, 5])
        assert torch.equal(generator.sparse_priors(chosen, size, level, device='cpu'), grid_of_level[chosen])
    last = generator.sparse_priors(torch.tensor([1]), generator.featmap_sizes[-1], -1, torch.float64, 'cpu')
    assert last.dtype == torch.float64 and last.shape == (1, 4)


def test_another_size_of_one_level_is_an_error_that_shows_all():
    with pytest.raises(ValueError, match=r'\[\(5, 8\), \(2, 4\)\].*\[\(5, 8\), \(3, 4\)\]'):
        build(**CLIPPED).single_level_grid_priors((2, 4), 1, device='cpu')


def test_base_anchors_are_those_of_the_first_cell_and_equal_mmdetections():
    theirs = TASK_UTILS.build(
        dict(
            type='SSDAnchorGenerator',
            scale_major=False,
            strides=[16, 32],
            ratios=[[2], [2, 3]],
            min_sizes=[20, 40],
            max_sizes=[30, 50],
        )
    )
    ours = build(
        input_size=64,
        strides=[16, 32],
        sizes=[(20, 30), (40, 50)],
        aspect_ratios=[[2], [2, 3]],
        centers='step',
        clip='corners',
    )
    for found, expected in zip(ours.base_anchors, theirs.base_anchors):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    'option, message',
    [
        (dict(strides=[8, 0]), 'strides must be positive'),
        (dict(strides=[8, -16]), 'strides must be positive'),
        (dict(input_size=(320, 0)), 'input_size must be positive'),
        (dict(sizes=[(20,), (-40,)]), 'the priors of level 1 must have positive sides'),
        (dict(aspect_ratios=[[2], [float('nan')]]), 'aspect_ratios must be positive'),
        (dict(aspect_ratios=[[2], [0]]), 'aspect_ratios must be positive'),
    ],
)
def test_lengths_that_are_not_positive_are_refused(option, message):
    settings = dict(input_size=(320, 240), strides=[8, 16], aspect_ratios=[[2], [2]], sizes=[(20,), (40,)])
    with pytest.raises(ValueError, match=message):
        TASK_UTILS.build({'type': 'SSDPriorGenerator', **settings, **option})
