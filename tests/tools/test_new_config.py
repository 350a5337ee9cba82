"""A config for a folder of one's own images."""

import shutil

import pytest

from ssd_plugin.configs import datasets_of_splits, read_config


def output(result):
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope='module')
def flat(shapes, tmp_path_factory):
    """A folder of images and XML files without splits, with a copy of an image under another name."""
    folder = tmp_path_factory.mktemp('flat') / 'my shapes'
    folder.mkdir()
    for path in [*(shapes / 'JPEGImages').iterdir(), *(shapes / 'Annotations').glob('*.xml')]:
        shutil.copy(path, folder)
    first = sorted(folder.glob('*.jpg'))[0]
    shutil.copy(first, folder / 'again.jpg')
    shutil.copy(first.with_suffix('.xml'), folder / 'again.xml')
    return folder


def test_a_folder_with_splits_gives_a_config_that_trains(shapes, run_tool, tmp_path):
    text = output(run_tool('new_config.py', shapes, '--output', 'mine.py', '--minutes', '0.1', '--seed', '3'))
    assert text.splitlines()[-1] == 'python -m ssd_plugin train mine.py'
    content = (tmp_path / 'mine.py').read_text()
    assert content.splitlines()[-1] == '# Train: python -m ssd_plugin train mine.py'
    assert max(map(len, content.splitlines())) <= 120
    cfg = read_config(str(tmp_path / 'mine.py'))
    assert cfg.model.bbox_head.num_classes == 4 and cfg.randomness.seed == 3
    assert cfg.train_dataloader.dataset.metainfo.classes == ('circle', 'square', 'star', 'triangle')
    assert cfg.param_scheduler[1].end == cfg.train_cfg.max_iters
    few = ('--max-iters', '2', '--cfg-options', 'train_dataloader.batch_size=2', 'default_hooks.logger.interval=1')
    trained = run_tool('train.py', 'mine.py', *few)
    assert 'pascal_voc/AP50' in output(trained) + trained.stderr


def test_a_folder_without_splits_is_split_and_its_files_stay_as_they_are(flat, run_tool, tmp_path):
    before = sorted(flat.iterdir())
    text = output(run_tool('new_config.py', flat, '--minutes', '0.1', '--val-fraction', '0.25'))
    assert sorted(flat.iterdir()) == before
    names = ['my_shapes_depthwise.py', 'my_shapes_depthwise_train.txt', 'my_shapes_depthwise_val.txt']
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert all(f'written: {name}' in text for name in names)
    train, val = ((tmp_path / name).read_text().split() for name in names[1:])
    assert not set(train) & set(val) and len(train) + len(val) == len(before) / 2
    twice = {'again', sorted(path.stem for path in flat.glob('*.jpg') if path.stem != 'again')[0]}
    assert twice <= set(train) or twice <= set(val)
    cfg = read_config(str(tmp_path / names[0]))
    assert {dataset.ann_file for _, dataset in datasets_of_splits(cfg)} == {str(tmp_path / name) for name in names[1:]}
    # A second time, nothing is replaced.
    again = run_tool('new_config.py', flat)
    assert again.returncode == 1 and 'my_shapes_depthwise.py exists already' in again.stderr


@pytest.mark.parametrize(
    'prepare, message',
    [
        (lambda folder: None, 'holds no dataset'),
        (lambda folder: (folder / 'a.jpg').write_bytes(b'x'), 'holds no dataset'),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(prepare, message, run_tool, tmp_path):
    (tmp_path / 'data').mkdir()
    prepare(tmp_path / 'data')
    result = run_tool('new_config.py', 'data')
    assert result.returncode == 1 and result.stderr.startswith('error: ') and result.stderr.count('\n') == 1
    assert message in result.stderr and sorted(path.name for path in tmp_path.iterdir()) == ['data']


def test_one_image_cannot_be_split_and_no_file_is_left(flat, run_tool, tmp_path):
    (tmp_path / 'data').mkdir()
    for suffix in ('.jpg', '.xml'):
        shutil.copy(flat / f'again{suffix}', tmp_path / 'data')
    result = run_tool('new_config.py', 'data')
    assert result.returncode == 1 and 'cannot be split: of its 1 images' in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ['data']


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--output', 'mine.txt'], 'the name of a config ends in .py'),
        (['--val-fraction', '1.5'], 'must be between 0 and 1'),
        (['--minutes', '0'], 'must be greater than 0'),
        (['--output', '/proc/mine.py'], '/proc/mine.py'),
    ],
)
def test_a_wrong_argument_is_one_line(arguments, message, shapes, run_tool):
    result = run_tool('new_config.py', shapes, *arguments)
    assert result.returncode == 1 and message in result.stderr and result.stderr.count('\n') == 1
