import re
import shutil

import cv2
import pytest

from ssd_plugin.analysis.config_priors import priors_of
from ssd_plugin.analysis.prior_comparison import fit_of
from ssd_plugin.analysis.prior_matches import matcher_of
from ssd_plugin.analysis.prior_objects import annotated_objects, splits_of
from ssd_plugin.configs import read_config
from tests.support import CONFIGS

CONFIG = CONFIGS / 'demo/ssd_depthwise_shapes.py'


def fit_on_validation(path, shapes):
    cfg = read_config(str(path), dict(data_root=str(shapes)))
    objects = annotated_objects(splits_of(cfg, 0).unseen, (320, 240), True)
    return fit_of(priors_of(cfg), matcher_of(cfg), objects)


@pytest.fixture
def small(tmp_path):
    """A config whose priors are far too small for the drawn shapes."""
    path = tmp_path / 'small.py'
    path.write_text(
        f"_base_ = '{CONFIG}'\nmodel = dict(bbox_head=dict(prior_generator=dict(\n"
        '    sizes=[(4, 5), (5, 6), (6, 7), (7, 8)])))\n'
    )
    return path


@pytest.mark.slow
def test_priors_that_miss_the_objects_are_replaced_by_better_ones_the_same_for_a_seed(
    run_tool, small, shapes, tmp_path
):
    data = ('--augmented', '60', '--cfg-options', f'data_root={shapes}')
    result = run_tool('tune_priors.py', small, *data)
    assert result.returncode == 0, result.stderr
    tuned = tmp_path / 'small_tuned_priors.py'
    assert 'are few (under 200)' in result.stdout
    assert result.stdout.splitlines()[-1] == (
        f'{tuned.name}: python -m ssd_plugin train {tuned.name} --cfg-options data_root={shapes}'
    )
    before, after = fit_on_validation(small, shapes), fit_on_validation(tuned, shapes)
    assert before.overall()[0] == 0 and after.overall()[0] > 0.9 and after.is_better_than(before)
    assert after.summary() in tuned.read_text().replace('\n#  ', '')
    assert cv2.imread(str(tmp_path / 'tune_priors.png')) is not None
    text = tuned.read_text()
    refused = run_tool('tune_priors.py', small, *data)
    assert refused.returncode == 1 and f'{tuned.name} exists already' in refused.stderr
    again = run_tool('tune_priors.py', small, '--force', *data)
    assert again.returncode == 0
    assert [line for line in tuned.read_text().splitlines() if line[0] != '#'] == [
        line for line in text.splitlines() if line[0] != '#'
    ]


@pytest.mark.slow
def test_priors_that_fit_no_better_are_not_written(run_tool, shapes, tmp_path):
    # One square of 100 pixels on each level instead of four priors that fit.
    data = ('--augmented', '0', '--cfg-options', f'data_root={shapes}')
    result = run_tool('tune_priors.py', CONFIG, '--priors-per-cell', '1', *data)
    assert result.returncode == 0, result.stderr
    assert 'the val split is not fitted better: nothing is written' in result.stdout.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--output', 'a.txt'), 'the name of a config ends in .py'),
        (('--output', 'nowhere/a.py'), 'there is no folder nowhere'),
        (('--output', CONFIG), 'is the config that it would inherit'),
        (('--figure', 'a.doc'), 'change the suffix'),
        (('--priors-per-cell', '0'), "'0' is not an integer of 1 or more"),
        (('--augmented', '-1'), '--augmented'),
        (('--fly',), 'unrecognized arguments: --fly'),
    ],
)
def test_mistakes_are_errors_of_one_line_and_write_nothing(run_tool, shapes, tmp_path, arguments, message):
    result = run_tool('tune_priors.py', CONFIG, *arguments, '--cfg-options', f'data_root={shapes}')
    assert result.returncode > 0 and message in result.stderr.splitlines()[-1] and 'Traceback' not in result.stderr
    assert not list(tmp_path.iterdir())


def keep_objects(folder, split, number):
    """Remove all but a number of the objects of a split."""
    for name in (folder / f'ImageSets/Main/{split}.txt').read_text().split():
        path = folder / f'Annotations/{name}.xml'
        head, *objects = re.split('(?=<object>)', path.read_text().replace('</annotation>', ''))
        path.write_text(head + ''.join(objects[:number]) + '</annotation>')
        number = max(number - len(objects), 0)


@pytest.mark.parametrize(
    'split, number, message',
    [
        ('train', 1, r'the training split of \S+ has 1 usable object\(s\)'),
        ('test', 0, r'the val split of \S+ has 0 usable object\(s\)'),
        ('train', 0, 'no image with an object|has 0 usable'),
    ],
)
def test_too_few_objects_are_an_error_of_one_line(run_tool, shapes, tmp_path, split, number, message):
    data = shutil.copytree(shapes, tmp_path / 'data')
    keep_objects(data, split, number)
    result = run_tool('tune_priors.py', CONFIG, '--cfg-options', f'data_root={data}')
    assert result.returncode == 1 and re.search(message, result.stderr.splitlines()[-1])
    assert [path.name for path in tmp_path.iterdir()] == ['data']


def test_a_missing_dataset_is_an_error_that_says_where_it_was_looked_for(run_tool):
    result = run_tool('tune_priors.py', CONFIG)
    assert result.returncode == 1 and 'there is no folder data/shapes/' in result.stderr
