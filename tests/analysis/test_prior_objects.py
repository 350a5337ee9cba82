import pytest
import torch

from ssd_plugin.analysis.prior_objects import annotated_objects, augmented_objects, splits_of
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from tests.support import CONFIGS

CONFIG = str(CONFIGS / 'demo/ssd_depthwise_shapes.py')
LABEL = '<difficult>0</difficult>'


@pytest.fixture
def cfg(shapes):
    return read_config(CONFIG, dict(data_root=str(shapes)))


def test_annotated_objects_are_in_pixels_of_the_input(cfg, shapes):
    splits = splits_of(cfg, 0)
    objects = annotated_objects(splits.unseen, (32, 24), True)
    whole = annotated_objects(splits.unseen, (320, 240), True)
    torch.testing.assert_close(whole.boxes, objects.boxes * 10)
    assert splits.name == 'the val split' and len(objects.images.unique()) == 4
    assert objects.classes == ('circle', 'square', 'triangle', 'star') and objects.labels.max() <= 3
    xml = (shapes / 'Annotations' / f'{(shapes / "ImageSets/Main/test.txt").read_text().split()[0]}.xml').read_text()
    assert (objects.images == 0).sum() == xml.count('<object>')


def test_objects_with_an_ignore_flag_are_left_out_where_the_matcher_leaves_them_out(cfg):
    leaf = dict(splits_of(cfg, 0).unseen[0], filter_cfg=dict(bbox_min_size=60))
    everything, rest = (annotated_objects([leaf], (320, 240), with_ignored) for with_ignored in (True, False))
    assert 0 < len(rest) < len(everything) and rest.sizes.amin() >= 59


def test_augmented_objects_are_those_of_the_seed(cfg):
    cfg.train_dataloader.dataset.augment = dict(zoom_out_prob=1.0, zoom_out_ratio=(2.0, 2.0), constraints=(None,))
    dataset = splits_of(cfg, 0).training
    first, again = (augmented_objects(dataset, 30, 7, True) for _ in range(2))
    assert torch.equal(first.boxes, again.boxes) and first.images.max() >= 29
    plain = annotated_objects(splits_of(cfg, 0).training_leaves, (320, 240), True)
    # Zoomed out by 2, each object has half its size.
    ratio = first.sizes.mean(dim=0) / plain.sizes.mean(dim=0)
    assert ratio.tolist() == pytest.approx([0.5, 0.5], rel=0.15)
    assert not torch.equal(first.boxes, augmented_objects(dataset, 30, 8, True).boxes)


@pytest.mark.parametrize('same', [True, False])
def test_without_a_second_split_images_are_held_out_by_seed(cfg, same):
    training = len(annotated_objects(splits_of(cfg, 0).training_leaves, (320, 240), True))
    for split in ('val', 'test'):
        if same:
            cfg[f'{split}_dataloader'].dataset = {**cfg.train_dataloader.dataset, 'test_mode': True}
        else:
            cfg[f'{split}_dataloader'] = None
    splits = splits_of(cfg, 3)
    (seen,), (unseen,) = splits.training_leaves, splits.unseen
    # A fifth of 12 images.
    assert len(unseen['indices']) == 2 and sorted(seen['indices'] + unseen['indices']) == list(range(12))
    assert splits.name == '20% of the training images, held out by seed 3 since the config has no second split'
    counts = [len(annotated_objects([leaf], (320, 240), True)) for leaf in (seen, unseen)]
    assert min(counts) > 0 and sum(counts) == training
    assert augmented_objects(splits.training, 12, 0, True).images.max() < 24
    assert splits_of(cfg, 3).unseen[0]['indices'] == unseen['indices']
    assert any(splits_of(cfg, seed).unseen[0]['indices'] != unseen['indices'] for seed in range(4, 9))


def test_an_image_alone_cannot_be_split(cfg):
    cfg.train_dataloader.dataset.indices = [0]
    cfg.val_dataloader = cfg.test_dataloader = None
    with pytest.raises(UserError, match=r'train_dataloader.dataset has 1 image\(s\)'):
        splits_of(cfg, 0)
    cfg.train_dataloader = None
    with pytest.raises(UserError, match='no train_dataloader'):
        splits_of(cfg, 0)
