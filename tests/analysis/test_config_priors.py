import pytest
import torch
from mmengine.config import Config

from ssd_plugin.analysis.config_priors import level_lines, priors_of
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from tests.support import WHOLE_CONFIGS, config

THEIRS = dict(
    type='SSDAnchorGenerator',
    scale_major=False,
    strides=[8, 16, 32, 64, 100, 300],
    ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]],
    min_sizes=[30, 60, 111, 162, 213, 264],
    max_sizes=[60, 111, 162, 213, 264, 315],
)


def test_ssd300_has_the_levels_of_the_paper():
    priors = priors_of(config('ssd300_voc.py'))
    assert [level.featmap_size for level in priors.levels] == [(side, side) for side in (38, 19, 10, 5, 3, 1)]
    assert [len(level.sizes) for level in priors.levels] == [4, 6, 6, 6, 4, 4]
    assert priors.input_size == (300, 300) and priors.clip is None and len(priors.used) == 8732
    # The last level: 264, sqrt(264 * 315), and 264 by the root of 2.
    assert priors.levels[5].sizes[:2] == [pytest.approx((264, 264)), pytest.approx((288.375, 288.375))]
    assert priors.levels[5].sizes[2] == pytest.approx((373.352, 186.676), abs=1e-3)


def test_a_cell_of_a_rectangular_input_has_its_priors_around_its_center():
    priors = priors_of(config('bccd/ssd_depthwise_bccd.py'))
    level = priors.levels[2]
    # 10x8 cells at 320x240, so that a step is 32 by 30, not the stride of 32.
    assert level.featmap_size == (8, 10) and level.stride == (32, 32) and level.step == (32, 30)
    assert level.center((2, 5)) == (176, 75)
    assert level.used[2, 5, 0].tolist() == [136, 35, 216, 115]


@pytest.mark.parametrize('name', ['ssd300_voc.py', 'ssd_depthwise_320x240_voc.py'])
def test_priors_are_located_by_level_row_column_and_shape(name):
    priors = priors_of(config(name))
    places = priors.locate(torch.arange(len(priors.used)))
    found = torch.stack([priors.levels[k].used[row, column, prior] for k, row, column, prior in places[::97].tolist()])
    assert torch.equal(found, priors.used[::97])
    assert places[-1].tolist() == [len(priors.levels) - 1, *(s - 1 for s in priors.levels[-1].used.shape[:3])]


def test_clipped_priors_are_known_before_clipping_too():
    priors = priors_of(config('recipes/ssd300_tutorial_voc.py'))
    # Scale 0.9 and ratio 2 on the last level: a width of 0.9 * sqrt(2), clipped to the side of the image.
    level = priors.levels[5]
    assert priors.clip == 'centers'
    assert level.sizes[2] == pytest.approx((381.838, 190.919), abs=1e-3)
    torch.testing.assert_close(level.used[0, 0, 2], torch.tensor([0.0, 54.5406, 300.0, 245.4594]))
    torch.testing.assert_close(level.unclipped[0, 0, 2], torch.tensor([-40.9188, 54.5406, 340.9188, 245.4594]))


@pytest.mark.parametrize('name', WHOLE_CONFIGS)
def test_every_config_can_be_shown(name):
    priors = priors_of(config(name))
    # A config that clips has priors that are larger than the image.
    assert torch.equal(priors.used, priors.unclipped) == (priors.clip is None)
    assert len(level_lines(priors)) == len(priors.levels) + 2


@pytest.mark.parametrize('key', ['prior_generator', 'anchor_generator'])
def test_mmdetections_generator_gives_the_same_levels(key):
    cfg, ours = config('ssd300_voc.py'), priors_of(config('ssd300_voc.py'))
    del cfg.model.bbox_head['prior_generator']
    cfg.model.bbox_head[key] = THEIRS
    # It does not know the size of the input, which is that of the pipelines.
    theirs = priors_of(cfg)
    assert theirs.input_size == (300, 300) and theirs.clip is None
    torch.testing.assert_close(theirs.used, ours.used, rtol=1e-5, atol=1e-4)


def test_mmdetections_own_config_can_be_shown():
    priors = priors_of(read_config('mmdet::ssd/ssd512_coco.py'))
    assert priors.input_size == (512, 512) and len(priors.used) == 24564


def test_the_table_names_maps_strides_numbers_and_sizes():
    assert level_lines(priors_of(config('bccd/ssd_depthwise_bccd.py'))) == [
        'level  feature map  stride  per cell  priors  width x height of the priors',
        '    0        40x30       8         4    4800  18x18 22.4x22.4 22x14.7 14.7x22',
        '    1        20x15      16         4    1200  40x40 49x49 49x32.7 32.7x49',
        '    2         10x8      32         4     320  80x80 93.8x93.8 98x65.3 65.3x98',
        '    3          5x4      64         4      80  110x110 128.5x128.5 134.7x89.8 89.8x134.7',
        '6400 priors at 320x240, not clipped',
    ]


@pytest.mark.parametrize(
    'head, message',
    [
        (None, 'has no prior generator'),
        (dict(type='A'), 'has no prior generator'),
        (dict(prior_generator=dict(type='B')), 'B is not in the'),
        (dict(prior_generator=dict(type='SSDPriorGenerator', input_size=9, strides=[3])), 'exactly one of scales'),
        (dict(anchor_generator=dict(type='AnchorGenerator', strides=[8], ratios=[1.0], scales=[8])), 'neither'),
        (dict(anchor_generator=THEIRS), 'names no input size'),
    ],
)
def test_a_config_without_usable_priors_is_an_error_of_one_line(head, message):
    with pytest.raises(UserError, match=message) as error:
        priors_of(Config(dict(model=dict(bbox_head=head))))
    assert '\n' not in str(error.value)
