import shutil

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

from ssd_plugin.configs import read_config


@pytest.fixture
def data(shapes, tmp_path):
    return shutil.copytree(shapes, tmp_path / 'data')


def build(data):
    return DATASETS.build(
        read_config('ssd_plugin::demo/ssd_depthwise_shapes.py', dict(data_root=str(data))).train_dataloader.dataset
    )


def test_images_may_have_other_suffixes_than_jpg(data):
    names = (data / 'ImageSets/Main/train.txt').read_text().split()
    files = [
        (data / 'JPEGImages' / f'{name}.jpg', suffix)
        for name, suffix in zip(names, ('.png', '.JPEG', '.bmp', '.webp', '.tiff'))
    ]
    for path, suffix in files:
        cv2.imwrite(str(path.with_suffix(suffix)), cv2.imread(str(path)))
        path.unlink()
    dataset = build(data)
    assert [dataset.get_data_info(index)['img_path'] for index in range(6)] == [
        *(str(path.with_suffix(suffix)) for path, suffix in files),
        str(data / 'JPEGImages' / f'{names[5]}.jpg'),
    ]
    for index in range(6):
        assert dataset[index]['inputs'].shape == (3, 240, 320)


def test_of_two_images_with_a_name_the_jpeg_is_taken(data):
    name = (data / 'ImageSets/Main/train.txt').read_text().split()[0]
    cv2.imwrite(str(data / 'JPEGImages' / f'{name}.png'), np.zeros((9, 9, 3), np.uint8))
    assert build(data).get_data_info(0)['img_path'].endswith(f'{name}.jpg')


def test_blank_lines_and_spaces_in_a_list_mean_nothing(data):
    path = data / 'ImageSets/Main/train.txt'
    names = path.read_text().split()
    path.write_text('\n'.join(f'{name}  ' for name in names) + '\n\n \n')
    dataset = build(data)
    assert [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))] == names
