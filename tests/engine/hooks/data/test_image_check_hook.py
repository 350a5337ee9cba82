import logging
from types import SimpleNamespace

import pytest
from mmdet.registry import HOOKS

from ssd_plugin.engine.hooks.data.image_check_hook import image_paths


class Images:
    """A dataset of images."""

    def __init__(self, *paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return {'img_path': self.paths[index]}


@pytest.fixture
def warn(caplog):
    """A function that returns what the hook logs for the images of a validation."""

    def warnings(dataset):
        runner = SimpleNamespace(
            val_loop=None if dataset is None else object(),
            val_dataloader=SimpleNamespace(dataset=dataset),
            logger=logging.getLogger('hook'),
        )
        with caplog.at_level(logging.WARNING, 'hook'):
            HOOKS.build(dict(type='ImageCheckHook')).before_train(runner)
        return caplog.text

    return warnings


def test_the_first_defects_are_named_and_all_are_counted(warn, tmp_path):
    paths = [str(tmp_path / f'{number:02}.jpg') for number in range(12)]
    text = warn(Images(*paths, 's3://bucket/image.jpg'))
    assert '12 of the 12 images for validation cannot be read' in text
    assert all(f'{path}: it is missing' in text for path in paths[:10]) and text.rstrip().endswith('; ...')
    assert paths[10] not in text


@pytest.mark.parametrize('dataset', [None, Images(), ['a dataset of another kind']])
def test_nothing_is_logged_where_there_is_nothing_to_test(dataset, warn):
    assert warn(dataset) == ''


def test_paths_are_those_of_the_samples():
    assert list(image_paths(Images('a.jpg', 'b.jpg'))) == ['a.jpg', 'b.jpg']
