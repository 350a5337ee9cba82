"""What MMDetection checks of ``SSDAnchorGenerator``, of ``SSDPriorGenerator``.

Where a test has both, the same assertions hold for both. Differences:

- ``SSDPriorGenerator`` knows its input size and refuses other feature maps, where MMDetection's continues its grid.
- ``num_base_anchors``, ``grid_anchors`` and ``single_level_grid_anchors``, which MMDetection has deprecated, do not
  exist: the names are ``num_base_priors``, ``grid_priors`` and ``single_level_grid_priors``.
- Arguments that contradict each other are a ``ValueError``, not an ``AssertionError``.
"""

import pytest
import torch
from mmdet.registry import TASK_UTILS

RATIOS = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
FEATMAPS_300 = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]
FEATMAPS_320 = [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]

# A generator of each kind with sizes in pixels, and one with the scales of SSD300 on COCO.
THEIRS_320 = dict(
    type='SSDAnchorGenerator',
    scale_major=False,
    min_sizes=[48, 100, 150, 202, 253, 304],
    max_sizes=[100, 150, 202, 253, 304, 320],
    strides=[16, 32, 64, 107, 160, 320],
    ratios=[[2, 3]] * 6,
)
OURS_320 = dict(
    type='SSDPriorGenerator',
    input_size=320,
    sizes=list(zip(THEIRS_320['min_sizes'], THEIRS_320['max_sizes'])),
    strides=THEIRS_320['strides'],
    aspect_ratios=THEIRS_320['ratios'],
    centers='step',
)
THEIRS_300 = dict(
    type='SSDAnchorGenerator',
    scale_major=False,
    input_size=300,
    basesize_ratio_range=(0.15, 0.9),
    strides=[8, 16, 32, 64, 100, 300],
    ratios=RATIOS,
)
OURS_300 = dict(
    type='SSDPriorGenerator',
    input_size=300,
    sizes=[(21, 45), (45, 99), (99, 153), (153, 207), (207, 261), (261, 315)],
    strides=[8, 16, 32, 64, 100, 300],
    aspect_ratios=RATIOS,
    centers='step',
)


def build(cfg, **options):
    return TASK_UTILS.build({**cfg, **options})


@pytest.mark.parametrize(
    'cfg, level, expected',
    [
        (
            cfg,
            0,
            [
                [-16, -16, 32, 32],
                [-26.6410, -26.6410, 42.6410, 42.6410],
                [-25.9411, -8.9706, 41.9411, 24.9706],
                [-8.9706, -25.9411, 24.9706, 41.9411],
                [-33.5692, -5.8564, 49.5692, 21.8564],
                [-5.8564, -33.5692, 21.8564, 49.5692],
            ],
        )
        for cfg in (THEIRS_320, OURS_320)
    ]
    + [
        (
            cfg,
            0,
            [
                [-6.5, -6.5, 14.5, 14.5],
                [-11.3704, -11.3704, 19.3704, 19.3704],
                [-10.8492, -3.4246, 18.8492, 11.4246],
                [-3.4246, -10.8492, 11.4246, 18.8492],
            ],
        )
        for cfg in (THEIRS_300, OURS_300)
    ]
    + [
        # Center 150, sides 261 and sqrt(261 * 315) = 286.7316.
        (cfg, 5, [[19.5, 19.5, 280.5, 280.5], [6.6342, 6.6342, 293.3658, 293.3658]])
        for cfg in (THEIRS_300, OURS_300)
    ],
)
def test_base_anchors(cfg, level, expected):
    generator = build(cfg)
    assert generator.num_levels == len(generator.base_anchors) == 6
    found = generator.base_anchors[level][: len(expected)]
    torch.testing.assert_close(found, torch.tensor(expected).float(), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    'cfg, featmaps, side, per_cell, valid',
    [(cfg, FEATMAPS_320, 320, [6] * 6, [2400, 600, 150, 54, 24, 6]) for cfg in (THEIRS_320, OURS_320)]
    + [(cfg, FEATMAPS_300, 300, [4, 6, 6, 6, 4, 4], [5776, 2166, 600, 150, 36, 4]) for cfg in (THEIRS_300, OURS_300)],
)
def test_numbers_of_priors_and_valid_flags(cfg, featmaps, side, per_cell, valid):
    generator = build(cfg)
    assert generator.num_base_priors == per_cell
    grid = generator.grid_priors(featmaps, device='cpu')
    assert [len(level) for level in grid] == valid
    assert [int(flags.sum()) for flags in generator.valid_flags(featmaps, (side, side), 'cpu')] == valid
    # An image of half the size in a padded batch.
    half = generator.valid_flags(featmaps, (side // 2, side // 2), 'cpu')
    cells = [-(-side // 2 // stride[0]) for stride in generator.strides]
    assert [int(flags.sum()) for flags in half] == [n * n * a for n, a in zip(cells, per_cell)]


@pytest.mark.parametrize('cfg', [THEIRS_300, OURS_300])
def test_sparse_priors_and_levels_are_parts_of_the_grid(cfg):
    generator = build(cfg)
    grid = generator.grid_priors(FEATMAPS_300, device='cpu')
    chosen = torch.tensor([0, 2, 3])
    for level, (size, priors) in enumerate(zip(FEATMAPS_300, grid)):
        assert torch.equal(generator.single_level_grid_priors(size, level, device='cpu'), priors)
        torch.testing.assert_close(generator.sparse_priors(chosen, size, level, device='cpu'), priors[chosen])


def test_other_feature_maps_than_those_of_the_input_are_refused():
    larger = [(76, 76), *FEATMAPS_300[1:]]
    assert len(build(THEIRS_300).grid_priors(larger, device='cpu')[0]) == 76 * 76 * 4
    with pytest.raises(ValueError, match='input_size'):
        build(OURS_300).grid_priors(larger, device='cpu')


@pytest.mark.parametrize(
    'cfg, options',
    [
        (THEIRS_320, dict(max_sizes=None)),
        (THEIRS_320, dict(max_sizes=[100, 150])),
        (OURS_320, dict(sizes=None)),
        (OURS_320, dict(sizes=[(48, 100), (100, 150)])),
    ],
)
def test_sizes_that_are_missing_or_too_few_are_refused(cfg, options):
    with pytest.raises((AssertionError, ValueError)):
        build(cfg, **options)
