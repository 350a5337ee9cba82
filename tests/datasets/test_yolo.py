import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config

from ssd_plugin.analysis import dataset_issues, dataset_sources
from ssd_plugin.analysis.image_scan import read_all
from ssd_plugin.datasets.annotations import yolo
from ssd_plugin.datasets.annotations.records import Severity
from ssd_plugin.errors import UnusableData
from tests.sample_folders import yolo_folders
from tests.sample_folders.samples import CLASSES, SAMPLES, expected


@pytest.fixture
def root(tmp_path):
    yolo_folders.ultralytics(tmp_path / 'mine')
    return tmp_path / 'mine'


def build(root, **options):
    arguments = dict(type='YOLODataset', data_root=str(root), ann_file='images/train', names_file='data.yaml')
    return DATASETS.build({**arguments, **options})


def objects(dataset):
    """Return the objects by name of the image, with corners rounded to a thousandth."""
    classes = dataset.metainfo['classes']
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return {
        info['img_id'].split('/')[-1]: sorted(
            (classes[i['bbox_label']], tuple(round(value, 3) for value in i['bbox'])) for i in info['instances']
        )
        for info in infos
    }


def test_boxes_are_those_that_were_written(root):
    dataset = build(root)
    found, wanted = objects(dataset), expected(tuple(s for s in SAMPLES if s.split == 'train'))
    assert dataset.metainfo['classes'] == CLASSES and found.keys() == wanted.keys()
    for name, boxes in wanted.items():
        assert [box[0] for box in found[name]] == [box[0] for box in boxes]
        for (_, corners), (_, written) in zip(found[name], boxes):
            assert corners == pytest.approx(written, abs=1e-3)
    info = dataset.get_data_info(0)
    assert (info['width'], info['height']) == (64, 48) and info['img_path'] == str(root / 'images/train/a.1.jpg')


def test_an_image_without_a_label_file_is_filtered_like_one_without_objects(root):
    filters = dict(filter_cfg=dict(filter_empty_gt=True))
    assert [len(build(root, **options)) for options in ({}, filters, dict(**filters, test_mode=True))] == [4, 3, 4]


def test_classes_of_the_config_select_by_name_or_name_the_indices(root):
    selected = build(root, metainfo=dict(classes=('é', 'cat')))
    assert sorted(name for boxes in objects(selected).values() for name, _ in boxes) == ['cat'] * 3 + ['é'] * 2
    (root / 'data.yaml').unlink()
    named = build(root, names_file=None, metainfo=dict(classes=('x', 'y', 'z')))
    assert [name for name, _ in objects(named)['a.1']] == ['x', 'y']
    with pytest.raises(UnusableData, match=r'classes\.txt.* with the class names; set metainfo.classes'):
        build(root, names_file=None)
    (root / 'classes.txt').write_text('one\ntwo\nthree\n')
    assert build(root, names_file=None).metainfo['classes'] == ('one', 'two', 'three')
    with pytest.raises(UnusableData, match="lacks the class 'dog' of metainfo.classes; it has one, two, three"):
        build(root, names_file='classes.txt', metainfo=dict(classes=('dog',)))


def test_samples_go_through_the_training_pipeline(root):
    steps = [
        dict(type='LoadEncodedImage'),
        dict(type='LoadAnnotations', with_bbox=True, box_type=None),
        dict(type='FusedSSDAugment', scale=(64, 48)),
        dict(type='PackDetInputs'),
    ]
    assert build(root, pipeline=steps)[0]['inputs'].shape == (3, 48, 64)


@pytest.mark.parametrize(
    'line, label',
    [
        ('1 0.5 0.25 0.5 0.1', yolo.Label(1, 1, (0.25, 0.2, 0.75, 0.3), True)),
        # A polygon of four points, or an oriented box.
        ('2 0.1 0.2 0.4 0.1 0.5 0.6 0.2 0.7', yolo.Label(1, 2, (0.1, 0.1, 0.5, 0.7), True, 'polygon')),
        ('0.0 320 240 64 48', yolo.Label(1, 0, (288, 216, 352, 264), False)),
        # Rounded beyond the border.
        ('0 0.5 0.5 1.000001 1', yolo.Label(1, 0, (-5e-7, 0, 1.0000005, 1), True)),
    ],
)
def test_a_line_is_a_box_or_a_polygon(line, label):
    (found,), unreadable = yolo.read_labels(line.encode())
    assert found.corners == pytest.approx(label.corners) and not unreadable
    assert (found.index, found.in_range, found.shape) == (label.index, label.in_range, label.shape)


def test_points_of_a_pose_are_no_polygon():
    line = b'0 0.5 0.5 0.2 0.4 0.45 0.4 2 0.55 0.4 2'
    (found,), unreadable = yolo.read_labels(line, keypoints=True)
    assert found.corners == pytest.approx((0.4, 0.3, 0.6, 0.7)) and found.shape == 'box' and not unreadable


@pytest.mark.parametrize(
    'line', ['0 0.5 0.5 0.1', '0 0.5 0.5 0.1 0.1 0.9', 'cat 0.5 0.5 0.1 0.1', '0.5 0.5 0.5 0.1 0.1']
)
def test_a_malformed_line_is_skipped_in_training_and_an_error_in_evaluation_and_in_the_check(root, line, tmp_path):
    damage(root, f'{line}\n')
    dataset = build(root, max_broken=0.3)
    assert sum(map(len, objects(dataset).values())) == 6 and dataset.skipped == {'malformed': 1}
    with pytest.raises(UnusableData, match=r'd\.txt:4 cannot be used: .*\. Evaluation skips nothing'):
        build(root, test_mode=True)
    with pytest.raises(UnusableData, match=r'1 of the 7 labels of .*; the first is .*d\.txt:4: '):
        build(root)
    assert [(issue.kind, issue.where.rsplit('/')[-1]) for issue in check(root)] == [('incomplete object', 'd.txt:4')]


@pytest.mark.parametrize(
    'line, kind',
    [
        ('3 0.5 0.5 0.1 0.1', 'unknown class'),
        ('-1 0.5 0.5 0.1 0.1', 'unknown class'),
        ('0 30 20 10 10', 'not fractions'),
        ('0 0.5 0.5 0 0.1', 'no area'),
        ('0 0.5 0.5 -0.005 0.1', 'swapped corners'),
        ('0 nan 0.5 0.1 0.1', 'non-finite coordinates'),
        ('0 1.005 0.5 0.001 0.1', 'outside the image'),
    ],
)
def test_the_check_calls_skipped_the_labels_that_training_skips(root, line, kind, tmp_path):
    damage(root, f'{line}\n')
    dataset = build(root, max_broken=0.3)
    assert dataset.skipped == {kind: 1} and sum(map(len, objects(dataset).values())) == 6
    annotations = read(root)
    assert [(issue.kind, issue.where.rsplit('/')[-1]) for issue in check(root, annotations)] == [(kind, 'd.txt:4')]
    before = {path: path.read_bytes() for path in root.rglob('*') if path.is_file()}
    annotations.write(tmp_path / 'fixed')
    assert {path: path.read_bytes() for path in root.rglob('*') if path.is_file()} == before
    assert objects(build(tmp_path / 'fixed')).keys() == objects(dataset).keys()
    # A width of less than zero is repaired, the other labels are dropped.
    kept = sum(map(len, objects(build(tmp_path / 'fixed')).values()))
    assert kept == (7 if kind == 'swapped corners' else 6) and not check(tmp_path / 'fixed')


def damage(root, text):
    with open(root / 'labels/train/d.txt', 'a') as file:
        file.write(text)


def read(root):
    return yolo.read(yolo.layout_of_yaml(root / 'data.yaml'))


def check(root, annotations=None):
    """Return the issues, without the remarks about images that have no objects."""
    annotations = annotations or read(root)
    files = read_all(image.path for image in annotations.images)
    issues = dataset_issues.find(annotations, files, 0)
    return [issue for issue in issues if issue.severity is not Severity.INFO]


def test_pixels_in_place_of_fractions_are_one_error_that_says_so(root):
    for sample in SAMPLES:
        lines = [f'{CLASSES.index(name)} {x1} {y1} {x2 - x1} {y2 - y1}\n' for name, (x1, y1, x2, y2) in sample.boxes]
        (root / f'labels/{sample.split}/{sample.name}.txt').write_text(''.join(lines))
    with pytest.raises(UnusableData, match='6 of the 6 labels .* are they pixels') as error:
        build(root)
    assert '\n' not in str(error.value)
    assert {issue.kind for issue in check(root)} == {'not fractions'}


def test_images_that_are_missing_or_broken_are_skipped_in_training_and_named_in_evaluation(root):
    path = root / 'images/train/d.jpg'
    path.write_bytes(path.read_bytes()[:20])
    assert sorted(objects(build(root, max_broken=0.3))) == ['a.1', 'b 2', 'c']
    with pytest.raises(UnusableData, match=r'the image .*d\.jpg is missing or cannot be read'):
        build(root, test_mode=True)
    (root / 'list.txt').write_text('images/train/a.1.jpg\nimages/train/lost.jpg\n')
    with pytest.raises(UnusableData, match=r'1 of the 2 images .*the first is .*images/train/lost\.jpg'):
        build(root, ann_file='list.txt')
    assert [issue.kind for issue in check(root)] == ['unreadable image']


def test_labels_elsewhere_are_an_error_not_a_dataset_without_objects(root):
    (root / 'labels').rename(root / 'Labels')
    with pytest.raises(UnusableData, match=r'none of the 4 images .* that of .*/a\.1\.jpg would be .*/a\.1\.txt'):
        build(root)
    assert [issue.kind for issue in check(root)] == ['missing annotation']


@pytest.mark.parametrize(
    'written, found',
    [
        ('../train/images', 'train/images'),
        (r'C:\Users\me\set\train\images', 'train/images'),
        ('/content/drive/set/train/images', 'train/images'),
        (r'..\train\images', 'train/images'),
        ('data/obj_train_data/a.jpg', 'obj_train_data/a.jpg'),
        ('.', ''),
        ('../test/pictures', None),
    ],
)
def test_paths_of_other_machines_are_found_in_the_folder(tmp_path, written, found):
    for path in (tmp_path / 'mine/train/images', tmp_path / 'mine/obj_train_data', tmp_path / 'train/images'):
        path.mkdir(parents=True)
    (tmp_path / 'mine/obj_train_data/a.jpg').touch()
    assert yolo.located(tmp_path / 'mine', written) == (None if found is None else tmp_path / 'mine' / found)


@pytest.mark.parametrize(
    'text, names',
    [
        ('names: [yes, 1, cat]', ('yes', '1', 'cat')),
        ('names:\n  1: b\n  0: a', ('a', 'b')),
        ('nc: 2', ('class_0', 'class_1')),
        ('nc: 2\nnames: [a, b]', ('a', 'b')),
    ],
)
def test_names_are_text_in_the_order_of_their_indices(tmp_path, text, names):
    (tmp_path / 'data.yaml').write_text(text)
    assert yolo.names_of(tmp_path / 'data.yaml') == names


@pytest.mark.parametrize(
    'text, message',
    [
        ('names: [a', 'cannot be read'),
        ('a, b', 'has no keys'),
        ('train: x', 'has no class names'),
        ('nc: 3\nnames: [a, b]', 'nc is 3, but names has 2'),
        ('names: {0: a, 2: b}', 'not numbered consecutively'),
        ('nc: two', "nc is 'two'"),
        ('names: [[a]]', 'has no class names'),
    ],
)
def test_names_that_cannot_be_used_are_one_line_with_the_file(tmp_path, text, message):
    (tmp_path / 'data.yaml').write_text(text)
    with pytest.raises(UnusableData, match=f'data.yaml.*{message}') as error:
        yolo.names_of(tmp_path / 'data.yaml')
    assert '\n' not in str(error.value)


def test_the_lists_that_a_config_names_are_checked_in_their_roles(root):
    datasets = {
        split: dict(type='YOLODataset', data_root=str(root), ann_file=f'images/{split}', names_file='data.yaml')
        for split in ('train', 'val')
    }
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=datasets['train']),
            val_dataloader=dict(dataset=datasets['val']),
        )
    )
    ((path, annotations),) = dataset_sources.of_config(cfg)
    assert path == root and len(annotations.images) == 6 and annotations.classes == CLASSES
    assert [annotations.trains(image) for image in annotations.images] == [True] * 4 + [False] * 2
    (root / 'data.yaml').write_text('train: images\n')
    ((_, annotations),) = dataset_sources.of_config(cfg)
    assert [issue.kind for issue in annotations.issues] == ['unreadable annotation']
