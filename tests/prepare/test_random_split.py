import shutil

import pytest

from ssd_plugin.errors import UserError
from ssd_plugin.prepare.random_split import write_split


@pytest.fixture
def folder(tmp_path):
    """A folder in VOC's layout, of 20 images and without lists."""
    root = tmp_path / 'mine'
    for name in ('Annotations', 'JPEGImages'):
        (root / name).mkdir(parents=True)
    for number in range(20):
        (root / f'Annotations/{number:02}.xml').write_text('<annotation/>')
        (root / f'JPEGImages/{number:02}.{"jpg" if number % 2 else "PNG"}').write_bytes(bytes([number]))
    return root


def lists(root, *splits):
    return [(root / f'ImageSets/Main/{split}.txt').read_text().split() for split in splits or ('trainval', 'test')]


def test_every_image_is_in_one_of_the_lists(folder):
    said = []
    write_split(folder, 0.25, log=said.append)
    train, test = lists(folder)
    assert sorted(train + test) == [f'{number:02}' for number in range(20)] and len(test) == 5
    assert train == sorted(train) and test == sorted(test)
    assert said == [f'{folder}/ImageSets/Main/trainval.txt: 15 images', f'{folder}/ImageSets/Main/test.txt: 5 images']


def test_the_seed_decides(folder, tmp_path):
    found = []
    for seed in (0, 0, 1):
        write_split(folder, seed=seed, splits=('train', 'val'), log=found.append)
        found.append(lists(folder, 'train', 'val'))
        shutil.rmtree(folder / 'ImageSets')
    assert found[2] == found[5] != found[8]


@pytest.mark.parametrize('seed', range(5))
def test_copies_of_an_image_are_on_one_side(folder, seed):
    for number in (3, 8, 11):
        (folder / f'JPEGImages/{number:02}.{"jpg" if number % 2 else "PNG"}').write_bytes(b'the same')
    write_split(folder, 0.5, seed, log=len)
    train, test = lists(folder)
    assert {'03', '08', '11'} <= set(train) or {'03', '08', '11'} <= set(test)
    assert len(train) == len(test) == 10


def test_files_without_their_counterpart_are_counted_and_not_listed(folder):
    (folder / 'Annotations/00.xml').unlink()
    (folder / 'JPEGImages/01.jpg').unlink()
    said = []
    write_split(folder, log=said.append)
    train, test = lists(folder)
    assert not {'00', '01'} & {*train, *test} and said[-1].startswith('2 file(s) are not listed')


@pytest.mark.parametrize(
    'damage, options, message',
    [
        (lambda root: None, dict(fraction=1.0), '--test 1.0'),
        (lambda root: None, dict(splits=('a', 'a')), 'the same name, a'),
        (lambda root: shutil.rmtree(root / 'Annotations'), {}, 'has no images to list'),
        (lambda root: shutil.rmtree(root / 'JPEGImages'), {}, 'has no images to list'),
        (lambda root: write_split(root, splits=('x', 'test'), log=len), {}, r'Main/test.txt exists already'),
        (
            lambda root: [path.write_bytes(b'the same') for path in (root / 'JPEGImages').iterdir()],
            {},
            'too few different images to split: 1',
        ),
    ],
)
def test_what_cannot_be_split_is_an_error_and_nothing_is_written(folder, damage, options, message):
    damage(folder)
    before = sorted(folder.rglob('*'))
    with pytest.raises(UserError, match=message):
        write_split(folder, **options)
    assert sorted(folder.rglob('*')) == before


def test_the_tool_splits_a_folder(run_tool, folder, tmp_path):
    result = run_tool('prepare_data.py', 'split', folder, '--test', '0.1', '--train-split', 'train')
    assert result.returncode == 0 and result.stdout.splitlines()[0] == f'{folder}/ImageSets/Main/train.txt: 18 images'
    refused = run_tool('prepare_data.py', 'split', 'nowhere')
    assert refused.returncode == 1 and refused.stderr.startswith('error: nowhere has no images to list')
