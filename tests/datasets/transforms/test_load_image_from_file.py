"""The loader of test pipelines beside MMCV's, whose place it takes in MMDetection's registry."""

import cv2
import mmcv.transforms
import numpy as np
import pytest
from mmdet.datasets import get_loading_pipeline
from mmdet.registry import TRANSFORMS
from mmengine.dataset import Compose
from PIL import Image

from ssd_plugin.configs import leaf_datasets, pipeline_steps, read_config
from ssd_plugin.datasets.transforms import LoadImageFromFile, image_reads
from ssd_plugin.errors import UnusableData


@pytest.fixture
def smooth():
    """A smooth RGB image of 161x120."""
    coarse = np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (161, 120), interpolation=cv2.INTER_CUBIC)


def load(path, **options):
    return TRANSFORMS.build(dict(type='LoadImageFromFile', **options))(dict(img_path=str(path)))


def load_by_mmcv(path, **options):
    return mmcv.transforms.LoadImageFromFile(**options)(dict(img_path=str(path)))


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def alpha(image):
    image = image.copy()
    image.putalpha(100)
    return image


SAVED = {
    'color.jpg': lambda image, path: image.save(path, quality=95),
    'progressive.jpg': lambda image, path: image.save(path, progressive=True),
    'gray.jpg': lambda image, path: image.convert('L').save(path),
    'cmyk.jpg': lambda image, path: image.convert('CMYK').save(path),
    'turned.jpg': lambda image, path: image.save(path, exif=turned(6)),
    'turned.png': lambda image, path: image.save(path, exif=turned(5)),
    'alpha.png': lambda image, path: alpha(image).save(path),
    'sixteen.png': lambda image, path: cv2.imwrite(str(path), np.asarray(image).astype(np.uint16) * 200),
    'image.webp': lambda image, path: image.save(path),
}


@pytest.mark.parametrize(
    'options', [{}, dict(to_float32=True), dict(color_type='grayscale'), dict(imdecode_backend='pillow')]
)
@pytest.mark.parametrize('name', SAVED)
def test_intact_files_give_what_mmcv_loads(name, options, smooth, tmp_path):
    path = tmp_path / name
    SAVED[name](Image.fromarray(smooth), path)
    found, expected = load(path, **options), load_by_mmcv(path, **options)
    assert found['img'].dtype == expected['img'].dtype and (found['img'] == expected['img']).all()
    assert all(found[key] == expected[key] for key in ('img_shape', 'ori_shape'))


@pytest.mark.parametrize('name', ['color.jpg', 'progressive.jpg', 'cmyk.jpg', 'alpha.png'])
def test_truncated_files_are_errors_that_name_them(name, smooth, tmp_path):
    path = tmp_path / name
    SAVED[name](Image.fromarray(smooth), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UnusableData, match=f'{name} cannot be read: it is truncated'):
        load(path)
    assert load(path, ignore_empty=True) is None


@pytest.mark.parametrize('options', [{}, dict(color_type='grayscale')])
@pytest.mark.parametrize('content, reason', [(b'', 'it is empty'), (b'no image', 'not an image of a known format')])
def test_files_without_an_image_are_errors_with_every_decoder(content, reason, options, tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    with pytest.raises(UnusableData, match=f'a.jpg cannot be read: .*{reason}'):
        load(path, **options)
    assert load(path, ignore_empty=True, **options) is None


@pytest.mark.parametrize('options', [{}, dict(to_float32=True), dict(color_type='grayscale')])
def test_an_evaluation_counts_unreadable_files_and_sees_gray_images(options, smooth, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(image_reads, 'print_log', lambda text, *args: said.append(text))
    Image.fromarray(smooth).save(tmp_path / 'a.png')
    (tmp_path / 'empty.png').touch()
    step = TRANSFORMS.build(dict(type='LoadImageFromFile', **options))
    step.replace_unreadable()
    intact, *gray = (step(dict(img_path=str(tmp_path / name))) for name in ('a.png', 'empty.png', 'missing.png'))
    for results in gray:
        assert results['img'].dtype == intact['img'].dtype and results['img'].ndim == intact['img'].ndim
        assert (results['img'] == 127).all() and results['img_shape'] == results['img'].shape[:2]
    assert step.reads.totals() == (3, 2, 0)
    assert said == [
        f'{tmp_path}/empty.png is evaluated as a gray image: it is empty',
        f'{tmp_path}/missing.png is evaluated as a gray image: it is missing',
    ]
    step.replace_unreadable()
    assert step.reads.totals() == (0, 0, 0)


def test_a_missing_file_stays_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='a.jpg'):
        load(tmp_path / 'a.jpg')
    assert load(tmp_path / 'a.jpg', ignore_empty=True) is None


def test_a_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(UnusableData, match='Is a directory'):
        load(tmp_path)


def test_test_pipelines_and_mmdetections_inferencer_use_it():
    steps = read_config('ssd_plugin::ssd300_voc.py').test_dataloader.dataset.pipeline
    assert type(Compose(steps).transforms[0]) is LoadImageFromFile
    assert type(TRANSFORMS.build(dict(type='InferencerLoader')).from_file) is LoadImageFromFile


def test_mmdetections_analysis_tools_see_it_load():
    steps = read_config('ssd_plugin::ssd300_voc.py').test_dataloader.dataset.pipeline
    assert [step['type'] for step in get_loading_pipeline(steps)] == ['LoadImageFromFile', 'LoadAnnotations']


@pytest.mark.parametrize('name', ['ssd300_voc.py', 'ssd300_coco.py', 'demo/ssd_depthwise_shapes.py'])
def test_mmdetections_analysis_tools_load_images_and_boxes_as_training_does(name):
    dataset = read_config(f'ssd_plugin::{name}').train_dataloader.dataset
    ((_, leaf), *_) = leaf_datasets(dataset)
    steps = [step.transform for step in pipeline_steps(leaf)]
    loading = get_loading_pipeline(steps)
    assert [step['type'] for step in loading] == ['LoadImageFromFile', 'LoadAnnotations']
    # Otherwise boxes are arrays, which MMDetection's tools do not take.
    assert 'box_type' not in loading[1]
    # The config stays as it is.
    assert steps[0].type == 'LoadEncodedImage'


def test_subclasses_count_as_loading_and_a_pipeline_without_it_is_an_error_that_lists_its_steps():
    class Loader(LoadImageFromFile):
        pass

    steps = [dict(type=Loader), dict(type='LoadAnnotations', with_bbox=True), dict(type='PackDetInputs')]
    assert get_loading_pipeline(steps) == steps[:2]
    with pytest.raises(ValueError, match='LoadAnnotations, PackDetInputs'):
        get_loading_pipeline(steps[1:])
