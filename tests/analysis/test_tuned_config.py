import pytest
import torch
from mmengine.config import Config

from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.analysis.prior_tuning import LevelSettings, own_settings
from ssd_plugin.analysis.tuned_config import (
    base_of,
    changes_of,
    config_text,
    generator_of,
    level_reasons,
    with_changes,
)
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from tests.support import CONFIGS, WHOLE_CONFIGS, config


@pytest.mark.parametrize('name', [name for name in WHOLE_CONFIGS if not name.startswith('bccd/comparison')])
def test_the_config_written_has_the_priors_that_were_judged(name, tmp_path):
    cfg = config(name)
    try:
        key, options, generator = generator_of(cfg)
    except UserError:
        pytest.skip('it has the generator of MMDetection')
    levels = [
        LevelSettings(tuple(size + 1 for size in level.sizes), level.ratios and tuple(a + 0.25 for a in level.ratios))
        for level in own_settings(options, generator)
    ]
    # As proposals are: with the digits that are written.
    levels = [LevelSettings(tuple(round(size) for size in level.sizes), level.ratios) for level in levels]
    changes = changes_of(options, levels)
    judged = priors_of(with_changes(cfg, key, changes))
    number = len(levels)
    text = config_text(f'ssd_plugin::{name}', key, changes, [False] * number, ['why'] * number, ['head'], (320, 240))
    (tmp_path / 'tuned.py').write_text(text)
    written = priors_of(read_config(str(tmp_path / 'tuned.py')))
    assert torch.equal(written.used, judged.used) and not torch.equal(written.used, priors_of(cfg).used)
    assert len(written.used) == len(priors_of(cfg).used)
    # The config that is judged is a copy.
    assert priors_of(cfg).input_size == judged.input_size and generator_of(cfg)[1] == options


def test_the_text_says_why_each_level_is_as_it_is():
    changes = dict(scale_range=None, sizes=[(18.5, 28), (40,)], aspect_ratios=[[1.5], []])
    text = config_text(
        'a.py', 'prior_generator', changes, [False, True], ['small ones', 'none'], ['b ' * 90], (320, 240)
    )
    lines = text.splitlines()
    assert lines[0].startswith('# b b') and lines[1].startswith('#   b b') and max(map(len, lines)) <= 120
    assert lines[2:] == [
        "_base_ = 'a.py'",
        'model = dict(',
        '    bbox_head=dict(',
        '        prior_generator=dict(',
        '            scale_range=None,',
        '            # In pixels at 320x240, (s, t): squares of sides s and sqrt(s * t).',
        '            sizes=[',
        '                # small ones',
        '                (18.5, 28),',
        '                # none; as before, since others fit no better',
        '                (40,),',
        '            ],',
        '            # Width : height, or its inverse, of the other priors.',
        '            aspect_ratios=[[1.5], []],',
        '        ),',
        '    ),',
        ')',
    ]


def test_reasons_name_the_objects_whose_best_prior_is_on_a_level():
    priors = priors_of(config('bccd/ssd_depthwise_bccd.py'))
    # Priors of level 0 (18x18) and level 1 (40x40), exactly.
    boxes = torch.cat([priors.levels[0].used[3, 4, :1].repeat(3, 1), priors.levels[1].used[3, 4, :1]])
    reasons = level_reasons(priors, boxes)
    assert reasons[0] == '40x30 cells, stride 8: best for 75% of the training objects, most with sides of 18 to 18'
    assert reasons[1].startswith('20x15 cells, stride 16: best for 25%')
    assert reasons[3] == '5x4 cells, stride 64: best for no training object'


def test_an_order_by_index_is_dropped_where_the_number_of_priors_changes():
    options = dict(sizes=[(10, 20)], aspect_ratios=[[2]], order=[[0, 1, 3, 2]])
    assert 'order' not in changes_of(options, [LevelSettings((10, 20), (3.0,))])
    assert changes_of(options, [LevelSettings((10,), (3.0,))])['order'] == 'ssd'


def test_the_base_is_relative_where_the_two_may_be_moved_together(tmp_path):
    assert base_of('ssd_plugin::ssd300_voc.py', tmp_path / 'a.py') == 'ssd_plugin::ssd300_voc.py'
    assert base_of(str(tmp_path / 'b/c.py'), tmp_path / 'd/a.py') == '../b/c.py'
    path = str(CONFIGS / 'ssd300_voc.py')
    shipped = '/' + path.split('/')[1]
    assert base_of(path, (tmp_path if not str(tmp_path).startswith(shipped + '/') else CONFIGS) / 'a.py') in (
        path,
        'ssd300_voc.py',
    )


@pytest.mark.parametrize(
    'model, message',
    [
        ({}, 'come from nowhere'),
        (dict(bbox_head=dict(anchor_generator=dict(type='AnchorGenerator'))), 'come from AnchorGenerator'),
        (dict(bbox_head=dict(prior_generator=dict(type='SSDPriorGenerator'))), 'prior generator of the config cannot'),
    ],
)
def test_a_config_without_usable_generator_is_an_error(model, message):
    with pytest.raises(UserError, match=message):
        generator_of(Config(dict(model=model)))
