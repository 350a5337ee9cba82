import json

import numpy as np
import pytest
from mmdet.registry import DATASETS

from ssd_plugin.datasets.annotations import imported
from ssd_plugin.datasets.annotations.labeled_set import LabeledBox, LabeledImage, LabeledSet
from ssd_plugin.datasets.ground_truth import ground_truth_boxes
from ssd_plugin.errors import UserError
from ssd_plugin.prepare.import_dataset import import_to_coco
from tests.datasets.annotations.imported.reading_support import read_folder
from tests.sample_folders.imported_formats import FORMATS, draw, tensorflow_csv


@pytest.fixture
def source(tmp_path):
    """A dataset in a folder, and its content, which nothing may change."""
    return tmp_path / 'source'


def labeled_set(source, *boxes, split=None):
    path = draw(source / 'photos/a.jpg')
    names = tuple(sorted({box.name for box in boxes}))
    return LabeledSet('LabelMe', source, (LabeledImage(path, 'a.json', (80, 60), boxes, split),), names, ())


@pytest.mark.parametrize('key', FORMATS)
def test_the_dataset_of_an_imported_folder_has_the_images_boxes_and_classes_that_were_written(key, source, tmp_path):
    sample = FORMATS[key]
    source.mkdir()
    sample.write(source, sample.samples)
    before = {path: path.read_bytes() for path in source.rglob('*') if path.is_file()}
    labeled = read_folder(source)
    files = import_to_coco(labeled, tmp_path / 'imported', lambda line: None)
    assert set(files) == ({'test', 'train'} if sample.has_splits else {'all'})
    found = {}
    for path in files.values():
        dataset = DATASETS.build(
            dict(
                type='SharedCocoDataset',
                data_root=str(source),
                ann_file=str(path),
                data_prefix=dict(img=''),
                metainfo=dict(classes=labeled.classes),
                pipeline=[],
                test_mode=True,
                cache_dir=str(tmp_path / 'cache'),
            )
        )
        table = ground_truth_boxes(dataset)
        assert len(table.boxes) == sum(len(image['instances']) for image in dataset)
        for image in dataset:
            boxes = [(labeled.classes[i['bbox_label']], *i['bbox']) for i in image['instances']]
            found[image['img_path'].rsplit('/', 1)[1]] = sorted(boxes)
            assert (source / image['img_path']).is_file()
    expected = {name: sorted(boxes) for name, (_, boxes) in sample.expected().items()}
    assert found.keys() == expected.keys()
    for name, boxes in expected.items():
        assert [box[0] for box in found[name]] == [box[0] for box in boxes]
        assert np.allclose([box[1:] for box in found[name]], [box[1:] for box in boxes], rtol=0, atol=sample.tolerance)
    assert {path: path.read_bytes() for path in source.rglob('*') if path.is_file()} == before


def test_importing_again_gives_the_same_bytes_and_writes_nothing(source, tmp_path):
    tensorflow_csv(source, FORMATS['tensorflow_csv'].samples)
    said = []
    files = import_to_coco(read_folder(source), tmp_path / 'imported', said.append)
    assert sum('written to' in line for line in said) == 2
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files.values()}
    said.clear()
    assert import_to_coco(read_folder(source), tmp_path / 'imported', said.append) == files
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files.values()} == before
    assert sum('already in' in line for line in said) == 2
    assert sorted(path.name for path in (tmp_path / 'imported').iterdir()) == ['test.json', 'train.json']


def test_an_earlier_import_is_replaced_and_another_file_is_not(source, tmp_path):
    first, second = (labeled_set(source, LabeledBox(name, (1, 2, 3, 4))) for name in ('cat', 'dog'))
    file = import_to_coco(first, tmp_path / 'imported', lambda line: None)['all']
    import_to_coco(second, tmp_path / 'imported', lambda line: None)
    assert json.loads(file.read_bytes())['categories'] == [dict(id=1, name='dog', supercategory='')]
    for text in ('{"images": []}', '[]', '{"info": 5}', 'no JSON'):
        file.write_text(text)
        with pytest.raises(UserError, match=r'all\.json exists and is .*move it away'):
            import_to_coco(second, tmp_path / 'imported', lambda line: None)
        assert file.read_text() == text


def test_nothing_is_written_into_the_source(source):
    labeled = labeled_set(source, LabeledBox('cat', (1, 2, 3, 4)))
    for target in (source, source / 'x', source / 'photos/../y'):
        with pytest.raises(UserError, match='is inside the dataset'):
            import_to_coco(labeled, target, lambda line: None)
    assert sorted(path.name for path in source.rglob('*')) == ['a.jpg', 'photos']


def test_crowds_stay_crowds_and_difficult_objects_difficult(source, tmp_path):
    boxes = [
        LabeledBox('cat', (1, 2, 11, 22), crowd=True),
        LabeledBox('cat', (1.5, 2, 11, 22), difficult=True),
        LabeledBox('dog', (1, 2, 11, 22)),
    ]
    file = import_to_coco(labeled_set(source, *boxes), tmp_path / 'imported', lambda line: None)['all']
    content = json.loads(file.read_bytes())
    assert content['images'] == [dict(id=1, file_name='photos/a.jpg', width=80, height=60)]
    assert content['annotations'] == [
        dict(id=1, image_id=1, category_id=1, bbox=[1, 2, 10, 20], area=200, iscrowd=1),
        dict(id=2, image_id=1, category_id=1, bbox=[1.5, 2, 9.5, 20], area=190, iscrowd=0, difficult=1),
        dict(id=3, image_id=1, category_id=2, bbox=[1, 2, 10, 20], area=200, iscrowd=0),
    ]


def test_the_report_says_what_was_found_taken_and_left_out(source, tmp_path):
    for name in ('a', 'b', 'extra'):
        draw(source / f'{name}.jpg', seed=ord(name[0]))
    rows = [
        'filename,width,height,class,xmin,ymin,xmax,ymax',
        'a.jpg,80,60,cat,1,2,30,40',
        'a.jpg,80,60,dog,1,2,30,40',
        'a.jpg,80,60,dog,5,5,5,9',
        'b.jpg,80,60,cat,1,2,30,41',
        'lost.jpg,80,60,cat,1,2,30,40',
        'lost.jpg,80,60,cat,1,2,30,41',
    ]
    (source / 'labels.csv').write_text('\n'.join(rows))
    said = []
    files = import_to_coco(read_folder(source), tmp_path / 'imported', said.append)
    csv = source / 'labels.csv'
    assert said == [
        f'TensorFlow CSV in {source}: 2 of 3 images and 3 of 6 boxes are taken',
        f'  missing image, 1 image(s) and 2 box(es) left out: {csv}:6 (lost.jpg): there is no image lost.jpg in '
        f'{source}',
        f'  no area, 1 box(es) left out: {csv}:4: dog has the box (5, 5, 5, 9) in 80x60 pixels',
        f'  not annotated, 1 time(s): {source}: 1 image(s) have no usable annotation and are left out: extra.jpg',
        '  2 classes: cat (2), dog (1)',
        f'  all: 2 images, 3 boxes; written to {files["all"]}',
    ]


def test_the_report_counts_hulls_crowds_and_images_without_objects(source, tmp_path):
    shapes = ['polygon', 'polygon', 'rotated', 'box']
    boxes = [LabeledBox('cat', (1, 2, 3, 4 + i), shape=shape, crowd=i == 3) for i, shape in enumerate(shapes)]
    labeled = labeled_set(source, *boxes, split='fold 1/a')
    empty = LabeledImage(draw(source / 'b.jpg'), 'b.json', (80, 60), (), 'fold 1/a')
    labeled = LabeledSet('LabelMe', source, (*labeled.images, empty), ('cat',), ())
    said = []
    files = import_to_coco(labeled, tmp_path / 'imported', said.append)
    assert said[1:5] == [
        '  2 polygon(s) are replaced by their box',
        '  1 rotated box(es) are replaced by their hull',
        '  1 crowd(s) stay crowds (iscrowd)',
        '  1 image(s) have no object',
    ]
    assert files == {'fold 1/a': tmp_path / 'imported/fold 1_a.json'}


def test_an_interrupted_import_leaves_nothing_behind(source, tmp_path, monkeypatch):
    def fail(path, write):
        raise OSError('the disk is full')

    monkeypatch.setattr('ssd_plugin.prepare.import_dataset.write_atomically', fail)
    with pytest.raises(OSError, match='full'):
        import_to_coco(labeled_set(source, LabeledBox('cat', (1, 2, 3, 4))), tmp_path / 'imported', lambda line: None)
    assert list((tmp_path / 'imported').iterdir()) == []


def test_formats_have_names_of_their_own():
    assert len({known.name for known in imported.FORMATS}) == len(imported.FORMATS)
