from pathlib import Path

import pytest

from ssd_plugin.datasets.annotations.imported.split_names import split_of_name, split_of_path, split_of_subset


@pytest.mark.parametrize(
    'name, split',
    [
        ('train', 'train'),
        ('Training', 'train'),
        ('valid', 'val'),
        ('val2017', 'val'),
        ('validation-annotations-bbox', 'val'),
        ('test_labels', 'test'),
        ('images_test', 'test'),
        ('trainval', None),
        ('train_val', None),
        ('contest', None),
        ('valentin', None),
        ('images', None),
    ],
)
def test_a_name_tells_a_split_as_a_word(name, split):
    assert split_of_name(name) == split


def test_the_last_name_of_a_path_that_tells_a_split_counts_and_not_that_of_the_dataset():
    root = Path('/data/train')
    assert split_of_path(root / 'images/a.csv', root) is None
    assert split_of_path(root / 'valid/images/a.csv', root) == 'val'
    assert split_of_path(root / 'train/test_labels.csv', root) == 'test'
    assert split_of_path(root, root) is None
    assert split_of_path(Path('/elsewhere/train/x.csv'), root) is None


def test_a_subset_is_a_split_unless_it_is_the_default():
    assert [split_of_subset(name) for name in (None, '', 'default', 'Default')] == [None] * 4
    assert [split_of_subset(name) for name in ('Train', 'validation', 'fold 1')] == ['train', 'val', 'fold 1']
