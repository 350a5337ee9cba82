"""One option of the augmentation is changed in one line, and the dataset that MMDetection builds uses it."""

import argparse
import re
import shutil

import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config, DictAction

from ssd_plugin.datasets.augment_option import augmented_pipeline
from ssd_plugin.errors import UserError
from ssd_plugin.prepare.drawn_shapes import CLASSES
from tests.support import CONFIGS

NAMES = [
    'ssd300_voc.py',
    'recipes/ssd300_modern_voc.py',
    'ssd300_coco.py',
    'bccd/ssd_depthwise_bccd.py',
    'bccd/comparison/bccd_modern.py',
]


@pytest.fixture
def data(shapes, tmp_path, monkeypatch):
    """The drawn shapes in the layouts of VOC, COCO and BCCD, in the folders that the configs name."""
    monkeypatch.chdir(tmp_path)
    for folder, name in (
        ('data/VOCdevkit/VOC2007', 'cat'),
        ('data/VOCdevkit/VOC2012', 'dog'),
        ('data/bccd', 'RBC'),
    ):
        root = tmp_path / folder
        (root / 'ImageSets/Main').mkdir(parents=True)
        (root / 'Annotations').mkdir()
        (root / 'JPEGImages').symlink_to(shapes / 'JPEGImages')
        shutil.copy(shapes / 'ImageSets/Main/train.txt', root / 'ImageSets/Main/trainval.txt')
        for path in (shapes / 'Annotations').glob('*.xml'):
            text = re.sub('<name>[a-z]*', f'<name>{name}', path.read_text())
            (root / 'Annotations' / path.name).write_text(text)
    (tmp_path / 'data/coco/annotations').mkdir(parents=True)
    text = (shapes / 'instances_train.json').read_text()
    for shape, name in zip(CLASSES, ('person', 'bicycle', 'car', 'motorcycle'), strict=True):
        text = text.replace(f'"{shape}"', f'"{name}"')
    (tmp_path / 'data/coco/annotations/instances_train2017.json').write_text(text)
    (tmp_path / 'data/coco/train2017').symlink_to(shapes / 'JPEGImages')
    return tmp_path


def augmentations(dataset):
    """Return the augmentation of every dataset inside the wrappers."""
    if hasattr(dataset, 'datasets'):
        return [step for child in dataset.datasets for step in augmentations(child)]
    steps = dataset.pipeline if isinstance(dataset.pipeline, list) else dataset.pipeline.transforms
    steps = [getattr(step, 'augment', step) for step in steps]
    return [step for step in steps if type(step).__name__ == 'FusedSSDAugment']


def assert_option_is_used(cfg):
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    found = augmentations(dataset)
    assert len(found) == (2 if 'datasets' in cfg.train_dataloader.dataset else 1)
    assert [step.zoom_out_prob for step in found] == [0.25] * len(found)
    # The options that were not named are as before.
    size = cfg.model.bbox_head.prior_generator.input_size
    assert all(step.scale == ((size, size) if isinstance(size, int) else tuple(size)) for step in found)
    assert dataset[0]['inputs'].shape[1:] == found[0].scale[::-1]


@pytest.mark.parametrize('name', NAMES)
def test_a_config_that_inherits_changes_one_option_in_one_line(name, data):
    path = data / 'mine.py'
    path.write_text(
        f"_base_ = 'ssd_plugin::{name}'\ntrain_dataloader = dict(dataset=dict(augment=dict(zoom_out_prob=0.25)))\n"
    )
    assert_option_is_used(Config.fromfile(path))


@pytest.mark.parametrize('name', NAMES)
def test_the_command_line_changes_one_option_by_one_setting(name, data):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    cfg = Config.fromfile(CONFIGS / name)
    cfg.merge_from_dict(
        parser.parse_args(['--cfg-options', 'train_dataloader.dataset.augment.zoom_out_prob=0.25']).cfg_options
    )
    assert_option_is_used(cfg)


def test_options_of_a_config_are_kept_when_another_one_inherits_and_adds_some(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'ssd_plugin::bccd/ssd_depthwise_bccd.py'\n"
        'train_dataloader = dict(dataset=dict(augment=dict(hue=0.0)))\n'
    )
    dataset = Config.fromfile(path).train_dataloader.dataset
    step = augmented_pipeline(dataset.pipeline, dataset.augment)[2]
    assert step['hue'] == 0.0 and step['crop_scale'] == (0.5, 1.0) and step['scale'] == (320, 240)


def test_the_pipeline_itself_is_not_changed():
    dataset = Config.fromfile(CONFIGS / 'bccd/ssd_depthwise_bccd.py').train_dataloader.dataset
    before = dataset.pipeline[2].to_dict()
    augmented_pipeline(dataset.pipeline, dict(zoom_out_prob=0.25))
    assert dataset.pipeline[2].to_dict() == before and 'zoom_out_prob' not in before


@pytest.mark.parametrize('step', [dict(type='Resize', scale=(300, 300)), dict(type='Mosaic', augment=dict(type='Pad'))])
def test_options_without_an_augmentation_to_take_them_are_refused(step):
    with pytest.raises(UserError, match='sets hue, but its pipeline has no FusedSSDAugment'):
        augmented_pipeline([step], dict(hue=0.0))
    assert augmented_pipeline([step], {}) == [step]


def test_an_option_that_the_augmentation_does_not_have_is_refused(data):
    cfg = Config.fromfile(CONFIGS / 'bccd/ssd_depthwise_bccd.py').train_dataloader.dataset
    cfg.augment.zoom_prob = 0.25
    with pytest.raises(TypeError, match='zoom_prob'):
        DATASETS.build(cfg)
