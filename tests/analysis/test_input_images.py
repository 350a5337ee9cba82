import cv2
import numpy as np
import pytest

from ssd_plugin.analysis import input_images
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'


@pytest.fixture
def cfg(shapes):
    return read_config(CONFIG, dict(data_root=str(shapes)))


def test_an_image_of_a_split_has_the_size_of_the_input_and_its_objects_in_its_pixels(cfg, shapes):
    # The drawn images measure 320x240.
    names = (shapes / 'ImageSets/Main/train.txt').read_text().split()
    image = input_images.of_dataset(cfg, 'train', 3, (320, 240))
    half = input_images.of_dataset(cfg, 'train', 3, (160, 120))
    assert image.name == f'{names[3]}.jpg' and image.pixels.dtype == np.uint8
    assert image.pixels.shape == (240, 320, 3) and half.pixels.shape == (120, 160, 3)
    assert len(image.objects.boxes) > 0 and not image.objects.ignored.any()
    assert np.allclose(half.objects.boxes * 2, image.objects.boxes)
    original = cv2.imread(str(shapes / f'JPEGImages/{image.name}'))[..., ::-1]
    assert abs(image.pixels.astype(int) - original).mean() < 2
    classes = cfg.metainfo.classes
    assert image.objects.names == [classes[label] for label in image.objects.labels]


@pytest.mark.parametrize('form', ['{}', '{}.jpg', '{}/JPEGImages/{}.jpg'])
def test_an_image_is_found_by_its_name_in_voc_and_coco_layout(cfg, shapes, form):
    name = (shapes / 'ImageSets/Main/test.txt').read_text().split()[2]
    wanted = form.format(*([name] if form.count('{}') == 1 else [shapes, name]))
    for split in ('val', 'test'):
        found = input_images.of_dataset(cfg, split, wanted, (320, 240))
        by_index = input_images.of_dataset(cfg, split, 2, (320, 240))
        assert found.name == by_index.name == f'{name}.jpg'
        assert found.objects.boxes.tolist() == by_index.objects.boxes.tolist()


def test_concatenated_datasets_are_counted_through(cfg):
    data = cfg.train_dataloader.dataset
    cfg.train_dataloader.dataset = dict(
        type='AugmentedConcatDataset', datasets=[data, cfg.test_dataloader.dataset], augment=dict(flip_prob=0.5)
    )
    size = (320, 240)
    last = input_images.of_dataset(cfg, 'train', 15, size)
    assert last.name == input_images.of_dataset(cfg, 'test', 3, size).name
    with pytest.raises(UserError, match='--index 16: the train split has images 0 to 15'):
        input_images.of_dataset(cfg, 'train', 16, size)


def test_objects_with_an_ignore_flag_are_the_last(cfg, shapes):
    cfg.train_dataloader.dataset.filter_cfg = dict(filter_empty_gt=True, bbox_min_size=40)
    found = []
    for index in range(3):
        objects = input_images.of_dataset(cfg, 'train', index, (320, 240)).objects
        sides = (objects.boxes[:, 2:] - objects.boxes[:, :2]).amin(dim=1)
        assert objects.ignored.tolist() == (sides < 40).tolist() == sorted(objects.ignored.tolist())
        found += objects.ignored.tolist()
    assert {*found} == {False, True}


@pytest.mark.parametrize('which, message', [(-1, 'images 0 to 11'), ('nobody.jpg', 'no such image')])
def test_an_image_that_the_split_lacks_is_an_error(cfg, which, message):
    with pytest.raises(UserError, match=message):
        input_images.of_dataset(cfg, 'train', which, (320, 240))


def test_a_config_without_the_split_is_an_error(cfg):
    cfg.val_dataloader = None
    with pytest.raises(UserError, match='has no val_dataloader'):
        input_images.of_dataset(cfg, 'val', 0, (320, 240))


def test_an_image_file_is_resized(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((20, 30, 3), (255, 0, 0), np.uint8))
    image = input_images.of_file(str(tmp_path / 'a.png'), (64, 48))
    assert image.pixels.shape == (48, 64, 3) and (image.pixels == (0, 0, 255)).all() and image.objects is None


def test_a_missing_and_a_damaged_image_file_are_errors(tmp_path):
    with pytest.raises(UserError, match='there is no such file'):
        input_images.of_file(str(tmp_path / 'a.png'), (64, 48))
    (tmp_path / 'a.png').write_bytes(b'no image')
    with pytest.raises(UserError, match='cannot be read: it is damaged'):
        input_images.of_file(str(tmp_path / 'a.png'), (64, 48))
