import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS

from ssd_plugin.analysis import dataset_issues
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations import voc
from ssd_plugin.datasets.annotations.box_rules import unusable
from ssd_plugin.datasets.annotations.records import Severity
from ssd_plugin.datasets.ground_truth import ground_truth_boxes
from ssd_plugin.datasets.image_files import ImageFinder
from ssd_plugin.errors import UnusableData
from ssd_plugin.prepare.drawn_shapes import CLASSES
from tests.sample_folders import samples, voc_folders


@pytest.fixture
def data(shapes, tmp_path):
    return shutil.copytree(shapes, tmp_path / 'data')


def build(data, **options):
    cfg = read_config('ssd_plugin::demo/ssd_depthwise_shapes.py', dict(data_root=str(data)))
    return DATASETS.build({**cfg.train_dataloader.dataset, **options})


def first_image(data):
    """Return the XML file and the image file of the first training image."""
    name = (data / 'ImageSets/Main/train.txt').read_text().split()[0]
    return data / 'Annotations' / f'{name}.xml', data / 'JPEGImages' / f'{name}.jpg'


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


def test_the_jpeg_is_preferred_among_images_with_the_same_name(data):
    name = (data / 'ImageSets/Main/train.txt').read_text().split()[0]
    cv2.imwrite(str(data / 'JPEGImages' / f'{name}.png'), np.zeros((9, 9, 3), np.uint8))
    assert build(data).get_data_info(0)['img_path'].endswith(f'{name}.jpg')


def test_blank_lines_and_spaces_in_a_list_are_ignored(data):
    path = data / 'ImageSets/Main/train.txt'
    names = path.read_text().split()
    path.write_text('\n'.join(f'{name}  ' for name in names) + '\n\n \n')
    dataset = build(data)
    assert [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))] == names


def test_images_and_boxes_are_those_of_mmdetection(data):
    options = dict(
        data_root=str(data),
        metainfo=dict(classes=CLASSES),
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        filter_cfg=dict(filter_empty_gt=True, bbox_min_size=40),
    )
    ours, theirs = (DATASETS.build(dict(type=kind, **options)) for kind in ('CheckedVOCDataset', 'VOCDataset'))
    infos = [[dataset.get_data_info(index) for index in range(len(dataset))] for dataset in (ours, theirs)]
    assert infos[0] == infos[1] and len(ours) == 12
    assert {instance['ignore_flag'] for info in infos[0] for instance in info['instances']} == {0, 1}


def test_an_image_without_a_size_in_its_annotation_gets_that_of_the_file(data):
    annotation, image = first_image(data)
    annotation.write_text(re.sub('<size>.*</size>', '', annotation.read_text(), flags=re.S))
    cv2.imwrite(str(image), np.zeros((50, 70, 3), np.uint8))
    info = build(data).get_data_info(0)
    assert (info['width'], info['height']) == (70, 50)
    content = image.read_bytes()
    # The pipeline skips an image whose pixels are missing; without the header there is no size, either.
    image.write_bytes(content[:-10])
    assert len(build(data, max_broken=0.1)) == 12
    image.write_bytes(content[:30])
    assert len(build(data, max_broken=0.1)) == 11


COORDINATES = [
    ('10.2', '20', '10.9', '30', 'no area'),
    ('-5', '20', '1', '30', 'outside the image'),
    ('-5', '20', '2', '30', None),
    ('320', '20', '330', '30', None),
    ('321', '20', '330', '30', 'outside the image'),
    ('30', '20', '20', '30', 'swapped corners'),
    ('10', '20', '30', '40', None),
]


@pytest.mark.parametrize('x1, y1, x2, y2, reason', COORDINATES)
def test_the_check_calls_skipped_the_boxes_that_training_cannot_use(data, x1, y1, x2, y2, reason):
    """VOC counts pixels from 1, and training truncates fractions."""
    annotation, _ = first_image(data)
    box = f'<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>'
    added = f'<object><name>circle</name><bndbox>{box}</bndbox></object></annotation>'
    annotation.write_text(annotation.read_text().replace('</annotation>', added))
    issues = dataset_issues.find(voc.read(data), {}, few=0)
    assert [issue.kind for issue in issues if issue.severity is not Severity.INFO] == ([reason] if reason else [])
    table = ground_truth_boxes(build(data))
    reasons = unusable(table.boxes, table.sizes[table.images])
    assert [kind for kind, mask in reasons.items() if mask.any()] == ([reason] if reason else [])


@pytest.mark.parametrize('tag, value', [('xmax', '1e400'), ('xmax', '1e300'), ('width', '1' + '0' * 400)])
def test_numbers_too_large_for_pixels_are_skipped_in_training_and_an_error_in_evaluation(data, tag, value):
    annotation, _ = first_image(data)
    annotation.write_text(re.sub(rf'<{tag}>\d+', f'<{tag}>{value}', annotation.read_text(), count=1))
    dataset = build(data, max_broken=0.1)
    assert len(dataset) == 11 and np.isfinite(ground_truth_boxes(dataset).boxes).all()
    with pytest.raises(UnusableData, match=f'{annotation.name} cannot be read: .*(not finite|too large)'):
        build(data, test_mode=True)


@pytest.mark.parametrize(
    'damage, kind',
    [
        ('<object><name>heart</name></object>', 'unknown class'),
        ('<object><name>circle</name></object>', 'incomplete object'),
    ],
)
def test_an_object_without_a_box_breaks_an_annotation_only_if_its_class_is_wanted(data, damage, kind):
    annotation, _ = first_image(data)
    annotation.write_text(annotation.read_text().replace('</annotation>', f'{damage}</annotation>'))
    assert [issue.kind for issue in dataset_issues.find(voc.read(data, CLASSES), {}, few=0)] == [kind]
    assert len(build(data, max_broken=0.1)) == (12 if kind == 'unknown class' else 11)


@pytest.mark.parametrize(
    'text',
    ['<?xml version="1.0" encoding="nothing-8"?><annotation/>', '<annotation>&undefined;</annotation>', ''],
)
def test_text_that_is_not_xml_is_an_error_with_a_line(text):
    with pytest.raises(voc.InvalidAnnotation, match='not valid XML') as error:
        voc.parse(text.encode())
    assert error.value.line == 1


LAYOUTS = [
    (voc_folders.own, dict(ann_file='ImageSets/Main/train.txt')),
    (voc_folders.beside, dict(ann_file='.', ann_subdir='', img_subdir='')),
    (voc_folders.annots, dict(ann_file='annots', ann_subdir='annots', img_subdir='')),
    (voc_folders.annotations, dict(ann_file='data', ann_subdir='', img_subdir='')),
    (voc_folders.split_folders, dict(ann_file='train', ann_subdir='', img_subdir='')),
    (voc_folders.nested_folders, dict(ann_file='labels/train', ann_subdir='labels', img_subdir='images')),
    (voc_folders.cvat, dict(ann_file='ImageSets/Main/default.txt', first_pixel=0)),
]


@pytest.mark.parametrize('layout, options', LAYOUTS, ids=lambda value: getattr(value, '__name__', ''))
def test_xml_files_train_where_they_lie(tmp_path, layout, options):
    layout(tmp_path)
    dataset = DATASETS.build(
        dict(
            type='CheckedVOCDataset',
            data_root=str(tmp_path),
            metainfo=dict(classes=samples.CLASSES),
            data_prefix=dict(sub_data_root=''),
            **options,
        )
    )
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    found = {
        Path(info['img_path']).stem: sorted(
            (samples.CLASSES[i['bbox_label']], tuple(i['bbox'])) for i in info['instances']
        )
        for info in infos
    }
    wanted = samples.expected()
    names = wanted if len(found) == 6 else {sample.name for sample in samples.SAMPLES if sample.split == 'train'}
    assert found == {name: wanted[name] for name in names}
    for info in infos:
        image = cv2.imread(info['img_path'])
        assert image.shape[1::-1] == (info['width'], info['height']) and 'Segmentation' not in info['img_path']


def test_an_image_is_found_in_the_nearest_folder(tmp_path):
    sample = samples.SAMPLES[0]
    for folder in ('x/images', 'y/images', 'masks', 'y/images/Mask'):
        samples.write_image(tmp_path / folder / 'a.jpg', sample)
    find = ImageFinder(tmp_path).find
    assert find('x/xml/a', tmp_path / 'x/xml/a.xml') == tmp_path / 'x/images/a.jpg'
    assert find('y/xml/a', tmp_path / 'y/xml/a.xml') == tmp_path / 'y/images/a.jpg'
    # With the same folders below; by another case; by a name with its suffix.
    assert find('xml/y/images/a', tmp_path / 'xml/y/images/a.xml') == tmp_path / 'y/images/a.jpg'
    assert find('x/A', tmp_path / 'x/A.xml') == tmp_path / 'x/images/a.jpg'
    assert find('x/a.jpg', tmp_path / 'x/a.jpg.xml') == tmp_path / 'x/images/a.jpg'
    assert find('x/b', tmp_path / 'x/b.xml') is None
    samples.write_image(tmp_path / 'x/xml/a.png', sample)
    assert ImageFinder(tmp_path).find('x/xml/a', tmp_path / 'x/xml/a.xml') == tmp_path / 'x/xml/a.png'


def scaled_dataset(tmp_path, size=None, scale=1, **options):
    sample = samples.SAMPLES[3]
    samples.write_image(tmp_path / 'd.jpg', sample)
    samples.write_text(tmp_path / 'd.xml', voc_folders.xml_text(sample, 1, size, scale))
    config = dict(ann_file='.', ann_subdir='', img_subdir='', data_prefix=dict(sub_data_root=''), **options)
    metainfo = dict(classes=samples.CLASSES)
    return DATASETS.build(dict(type='CheckedVOCDataset', data_root=str(tmp_path), metainfo=metainfo, **config))


@pytest.mark.parametrize('size, scale', [(None, 5), (None, 1), ((0, 0), 1), ((10, 20), 1)])
def test_boxes_of_a_larger_copy_are_scaled_to_the_file(tmp_path, size, scale):
    """With a size of 0 x 0, or one that they do not fit, boxes are those of the file."""
    sample, info = samples.SAMPLES[3], scaled_dataset(tmp_path, size, scale, scale_boxes=True).get_data_info(0)
    assert (info['width'], info['height']) == sample.size
    assert np.allclose([i['bbox'] for i in info['instances']], [corners for _, corners in sample.boxes])


def test_boxes_of_an_image_with_another_aspect_ratio_are_refused_by_name(tmp_path):
    with pytest.raises(UnusableData, match=r'd\.xml: its boxes are those of an image of 500x500 pixels, but .*64x48'):
        scaled_dataset(tmp_path, (500, 500), 5, scale_boxes=True)
    # Without the option, sizes are those of the annotation.
    info = scaled_dataset(tmp_path, (500, 500), 5).get_data_info(0)
    assert (info['width'], info['height']) == (500, 500)
    assert scaled_dataset(tmp_path, (0, 0)).get_data_info(0)['width'] == 64


def test_a_box_that_cvat_rotates_is_read_as_its_hull():
    rotated = '<attributes><attribute><name>rotation</name><value>{}</value></attribute></attributes>'
    box = '<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>50</xmax><ymax>40</ymax></bndbox>'
    for degrees, corners in ((0, (10, 20, 50, 40)), (90, (20, 10, 40, 50)), (45, (8, 8, 51, 51))):
        node = ET.fromstring(f'<object><name>cat</name>{box}{rotated.format(degrees)}</object>')
        # 45 degrees: half of (40 + 20) / sqrt(2) = 21.2 around (30, 30); fractions are dropped.
        assert voc.parse_object(node).corners == corners
