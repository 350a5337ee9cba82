import cv2
import pytest

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'


def test_without_data_all_levels_are_drawn_and_listed(run_tool, tmp_path):
    result = run_tool('show_priors.py', 'ssd_plugin::ssd300_voc.py')
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[1].split()[:5] == ['0', '38x38', '8', '4', '5776']
    assert lines[7:] == ['8732 priors at 300x300, not clipped', 'show_priors.png: no image, 300x300']
    assert cv2.imread(str(tmp_path / 'show_priors.png')).shape[1] > 1000


def test_priors_are_matched_to_the_objects_of_an_image(run_tool, shapes, tmp_path):
    name = (shapes / 'ImageSets/Main/test.txt').read_text().split()[1]
    data = ('--cfg-options', f'data_root={shapes}')
    for arguments in (('--match',), ('--match', '0')):
        result = run_tool(
            'show_priors.py', CONFIG, '--name', name, '--split', 'val', *arguments, '--out', 'a.png', *data
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == f'a.png: {name}.jpg, 320x240'
        assert 'object  class' in result.stdout
        assert cv2.imread(str(tmp_path / 'a.png')) is not None
        (tmp_path / 'a.png').unlink()


def test_clipped_priors_are_drawn_over_an_image_file(run_tool, shapes, tmp_path):
    image = next((shapes / 'JPEGImages').iterdir())
    arguments = ('--unclipped', '--level', '4', '5', '--cell', '0,0', '--image', image, '--out', 'a.svg')
    result = run_tool('show_priors.py', 'ssd_plugin::recipes/ssd300_tutorial_voc.py', *arguments)
    assert result.returncode == 0, result.stderr
    assert "clipped (clip='centers'" in result.stdout and '<svg' in (tmp_path / 'a.svg').read_text()


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--level', '4'), '--level 4: the config has levels 0 to 3'),
        (('--cell', '4,0'), '--cell 4,0: the feature map of level 3 has rows 0 to 3'),
        (('--cell', '4'), "'4' is not ROW,COLUMN"),
        (('--index', '12'), 'images 0 to 11'),
        (('--name', 'nobody'), 'no such image'),
        (('--image', 'nowhere.jpg'), '--image nowhere.jpg: there is no such file'),
        (('--match',), '--match needs an image with objects'),
        (('--index', '0', '--match', '99'), '--match 99: the image has objects 0 to'),
        (('--index', '0', '--match', '--cell', '0,0'), '--cell and --unclipped show'),
        (('--index', '0', '--match', '0', '--level', '0'), 'leave out --level'),
        (('--out', 'nowhere/a.png'), 'no folder nowhere'),
        (('--out', 'a.doc'), 'change the suffix'),
        (('--out', '/proc/a.png'), 'nothing can be written to the folder /proc (/proc/a.png)'),
    ],
)
def test_mistakes_are_errors_of_one_line_and_write_nothing(run_tool, shapes, tmp_path, arguments, message):
    result = run_tool('show_priors.py', CONFIG, *arguments, '--cfg-options', f'data_root={shapes}')
    assert result.returncode > 0 and message in result.stderr.splitlines()[-1] and 'Traceback' not in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'option, message',
    [
        ('strides=3', 'model.bbox_head.prior_generator.strides must be Sequence'),
        ('input_size=wide', 'model.bbox_head.prior_generator.input_size must be int'),
        ('aspect_ratios=[[0],[2],[2],[2]]', 'aspect_ratios must be positive, got [[0], [2], [2], [2]]'),
    ],
)
def test_an_odd_setting_of_the_priors_is_named(run_tool, option, message, tmp_path):
    result = run_tool('show_priors.py', CONFIG, '--cfg-options', f'model.bbox_head.prior_generator.{option}')
    assert result.returncode == 1 and message in result.stderr and result.stderr.count('\n') == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_dataset_is_an_error_that_says_where_it_was_looked_for(run_tool):
    result = run_tool('show_priors.py', CONFIG, '--index', '0')
    assert result.returncode == 1 and 'there is no folder data/shapes/' in result.stderr
