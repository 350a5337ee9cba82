"""Folders as labeling tools write them: what they are, and that boxes come out as they were written."""

import json
import shutil
from pathlib import Path

import pytest
from mmdet.registry import DATASETS

from ssd_plugin.datasets.folders import describe
from ssd_plugin.datasets.folders.folder_dataset import ALL
from ssd_plugin.datasets.folders.splits import split_in
from ssd_plugin.errors import UserError
from ssd_plugin.files import write_atomically
from tests.sample_folders import coco_folders, voc_folders, yolo_folders
from tests.sample_folders.samples import CLASSES, SAMPLES, expected, write_image, write_text

CASES = [
    (module.__name__.rsplit('.', 1)[-1].removesuffix('_folders'), layout)
    for module in (voc_folders, coco_folders, yolo_folders)
    for layout in module.LAYOUTS
]
# Layouts without splits.
WHOLE = {
    'beside',
    'annots',
    'annotations',
    'voc-cvat',
    'coco-cvat',
    'coco-label_studio',
    'labelimg',
    'yolo-label_studio',
}


def objects(config: dict) -> dict[str, list[tuple]]:
    """Return the objects of a dataset by name of the image, sorted."""
    dataset = DATASETS.build(dict(config, test_mode=True))
    classes = dataset.metainfo['classes']
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert all(Path(info['img_path']).is_file() for info in infos)
    found = {
        Path(info['img_path']).stem: sorted((classes[i['bbox_label']], tuple(i['bbox'])) for i in info['instances'])
        for info in infos
    }
    assert len(found) == len(infos)
    return found


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name, boxes in wanted.items():
        assert [box[0] for box in found[name]] == [box[0] for box in boxes]
        for (_, corners), (_, written) in zip(found[name], boxes):
            assert corners == pytest.approx(written, abs=1e-3)


def files_of(root):
    return {path: path.read_bytes() for path in root.rglob('*') if path.is_file()}


@pytest.mark.parametrize('key, layout', CASES, ids=lambda value: getattr(value, '__name__', value))
def test_a_folder_is_told_by_its_content_and_read_as_it_was_written(tmp_path, key, layout):
    root = tmp_path / 'mine'
    layout(root)
    before = files_of(root)
    described = describe(root)
    assert described.format == key and sorted(described.classes) == sorted(CLASSES)
    is_whole = bool({layout.__name__, f'{key}-{layout.__name__}'} & WHOLE)
    assert list(described.splits) == ([ALL] if is_whole else ['train', 'val'])
    for name, split in described.splits.items():
        wanted = expected(tuple(sample for sample in SAMPLES if name in (ALL, sample.split)))
        config = split.dataset
        if config is None:
            config = write(described, split.images, tmp_path / f'{name}{described.suffix}')
        assert_equal(objects(config), wanted)
        assert {image.path.stem: len(image.boxes) for image in split.images} == {n: len(b) for n, b in wanted.items()}
        # Some of them, in a list beside the folder.
        chosen = [image for image in split.images if image.path.stem in ('a.1', 'd', 'f')]
        part = write(described, chosen, tmp_path / f'part_{name}{described.suffix}')
        assert_equal(objects(part), {n: boxes for n, boxes in wanted.items() if n in ('a.1', 'd', 'f')})
    assert files_of(root) == before


def write(described, images, path):
    config, files = described.part(images, path)
    for target, content in files.items():
        write_atomically(target, lambda file, content=content: file.write(content))
    return config


def test_a_folder_in_vocs_own_layout_has_its_lists(shapes, tmp_path):
    root = shutil.copytree(shapes, tmp_path / 'shapes', ignore=shutil.ignore_patterns('*.json'))
    described = describe(root)
    assert {name: len(split.images) for name, split in described.splits.items()} == dict(train=12, test=4)
    assert described.splits['train'].dataset == dict(
        type='CheckedVOCDataset',
        data_root=str(root),
        ann_file='ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root=''),
        ann_subdir='Annotations',
        img_subdir='JPEGImages',
        metainfo=dict(classes=('circle', 'square', 'star', 'triangle')),
    )


def test_one_of_two_descriptions_of_the_same_objects_is_read_and_the_other_named(tmp_path):
    voc_folders.annots(tmp_path)
    (tmp_path / 'labels.json').write_text(json.dumps(coco_folders.content(SAMPLES, '{name}.png')))
    described = describe(tmp_path)
    assert described.format == 'voc' and described.others == (f'COCO JSON in {tmp_path}/labels.json',)
    assert describe(tmp_path, 'coco').format == 'coco'
    assert describe(tmp_path, annotations=tmp_path / 'labels.json').annotations == tmp_path / 'labels.json'
    assert describe(tmp_path / 'labels.json').format == 'coco'


def test_captions_and_poses_beside_instances_are_named(tmp_path):
    coco_folders.own(tmp_path)
    described = describe(tmp_path)
    assert sorted(Path(other).name for other in described.others) == [
        f'{kind}_{split}2017.json' for kind in ('captions', 'person_keypoints') for split in ('train', 'val')
    ]


def test_two_descriptions_that_differ_are_one_line_with_the_option_that_decides(tmp_path):
    voc_folders.annots(tmp_path)
    (tmp_path / 'labels.json').write_text(json.dumps(coco_folders.content(SAMPLES[:2], '{name}.png')))
    # The second describes some of the same objects: the first has them all.
    assert describe(tmp_path).format == 'voc'
    content = coco_folders.content(SAMPLES, '{name}.png')
    content['annotations'].pop()
    content['annotations'].append(dict(content['annotations'][0], image_id=3))
    (tmp_path / 'labels.json').write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        describe(tmp_path)
    assert str(error.value) == (
        f'{tmp_path} is described in several ways that differ: VOC XML in {tmp_path}/annots (9 objects in 5 images); '
        f'COCO JSON in {tmp_path}/labels.json (9 objects in 6 images). Choose one with --format'
    )
    (tmp_path / 'annots').rename(tmp_path / 'labels_of_others.json')
    (tmp_path / 'other.json').write_text(json.dumps(coco_folders.content(SAMPLES[1:], '{name}.png')))
    shutil.rmtree(tmp_path / 'labels_of_others.json')
    with pytest.raises(UserError, match=r'labels\.json .*other\.json .*Choose one with --annotations'):
        describe(tmp_path)
    assert len(describe(tmp_path, annotations=tmp_path / 'other.json').splits[ALL].images) == 5


def empty(root):
    root.mkdir()


def images_only(root):
    for sample in SAMPLES:
        write_image(root / f'{sample.name}.jpg', sample)


def without_images(layout):
    def build(root):
        layout(root)
        for path in root.rglob('*'):
            if path.suffix.lower() in ('.jpg', '.png', '.jpeg'):
                path.unlink()

    return build


def other_images(layout):
    def build(root):
        without_images(layout)(root)
        write_image(root / 'images/other.jpg', SAMPLES[0])

    return build


def text(name, content):
    def build(root):
        images_only(root)
        (root / name).write_bytes(content)

    return build


def damaged_yaml(content):
    def build(root):
        yolo_folders.roboflow(root)
        (root / 'data.yaml').write_text(content)

    return build


BROKEN = {
    'empty folder': (empty, 'neither images nor annotations in a known format'),
    'images alone': (images_only, '6 images, but no annotations in a known format'),
    'XML without images': (without_images(voc_folders.annots), 'none of their images is in'),
    'XML of other images': (other_images(voc_folders.annots), '6 annotations in VOC XML, but none of their images'),
    'COCO without images': (without_images(coco_folders.cvat), 'none of its 6 images is in .*it names a.1.PNG'),
    'COCO of other images': (other_images(coco_folders.roboflow), 'none of its 4 images is in'),
    'labels without images': (without_images(yolo_folders.labelimg), 'labels in YOLO txt, but there are no images'),
    'labels of other images': (other_images(yolo_folders.label_studio), 'the labels belong to other images'),
    'data.yaml without images': (without_images(yolo_folders.roboflow), 'no image'),
    'data.yaml that is not YAML': (damaged_yaml('names: ['), r'data\.yaml cannot be read'),
    'data.yaml with gaps': (damaged_yaml('names: {0: a, 5: b}\ntrain: x'), 'not numbered consecutively from 0'),
    'data.yaml with another nc': (damaged_yaml('names: [a]\nnc: 3\ntrain: x'), 'nc is 3, but names has 1'),
    'JSON of another kind': (text('package.json', b'{"name": "x", "version": 1}'), 'has the keys name, version'),
    'JSON that is a list': (text('a.json', b'[1, 2]'), r'a\.json is a list'),
    'JSON that is none': (text('a.json', b'{"images": [, "annotations"'), r'a\.json is not valid JSON'),
    'XML of another kind': (text('a.xml', b'<project><module/></project>'), 'no annotations in a known format'),
    'captions beside images': (text('a.1.txt', b'a cat on a road'), 'no annotations in a known format'),
    'COCO without categories': (text('a.json', b'{"images": [], "annotations": []}'), 'no annotations in a known'),
    'truncated XML alone': (text('a.1.xml', b'<annotation><object>'), 'not valid XML'),
}


@pytest.mark.parametrize('case', BROKEN)
def test_a_folder_that_holds_no_dataset_is_one_line(tmp_path, case):
    build, message = BROKEN[case]
    build(tmp_path / 'mine')
    with pytest.raises(UserError, match=message) as error:
        describe(tmp_path / 'mine')
    assert '\n' not in str(error.value) and str(tmp_path / 'mine') in str(error.value)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(folder='nowhere'), 'nowhere holds no dataset: there is no such folder'),
        (dict(key='yola'), '--format yola is not known; did you mean yolo?'),
        (dict(annotations='nowhere'), '--annotations nowhere: there is no such file or folder'),
        (dict(images='nowhere'), '--images nowhere: there is no such folder'),
        (dict(key='coco'), r'6 images, but no annotations in a known format \(COCO JSON\)'),
    ],
)
def test_options_that_lead_nowhere_are_one_line(tmp_path, options, message):
    voc_folders.beside(tmp_path)
    paths = {key: Path(value) for key, value in options.items() if key != 'key'}
    with pytest.raises(UserError, match=message):
        describe(**{'folder': tmp_path, 'format': options.get('key'), **paths})


def test_images_elsewhere_are_found_by_the_option(tmp_path):
    voc_folders.annots(tmp_path / 'mine')
    (tmp_path / 'mine/images').rename(tmp_path / 'pictures')
    shutil.rmtree(tmp_path / 'mine/masks')
    described = describe(tmp_path / 'mine', images=tmp_path / 'pictures')
    assert_equal(objects(described.splits[ALL].dataset), expected())


def test_a_project_of_roboflow_with_the_name_of_a_class_is_no_class(tmp_path):
    coco_folders.roboflow(tmp_path / 'mine')
    for path in (tmp_path / 'mine').rglob('*.json'):
        path.write_text(path.read_text().replace('animals', 'cat'))
    described = describe(tmp_path / 'mine')
    assert described.classes == CLASSES
    # The file itself would be read with two classes of one name.
    assert described.splits['train'].dataset is None
    config = write(described, described.splits['train'].images, tmp_path / 'train.json')
    assert_equal(objects(config), expected(tuple(coco_folders.of('train'))))


def test_a_category_0_that_is_used_is_a_class(tmp_path):
    coco_folders.roboflow(tmp_path)
    path = tmp_path / 'train/_annotations.coco.json'
    content = json.loads(path.read_text())
    content['annotations'][0]['category_id'] = 0
    path.write_text(json.dumps(content))
    assert sorted(describe(tmp_path).classes) == sorted(('animals', *CLASSES))


def test_files_whose_categories_differ_become_parts_with_the_same_classes(tmp_path):
    coco_folders.own(tmp_path / 'mine')
    path = tmp_path / 'mine/annotations/instances_val2017.json'
    content = json.loads(path.read_text())
    content['categories'].reverse()
    path.write_text(json.dumps(content))
    described = describe(tmp_path / 'mine')
    assert described.classes == CLASSES and described.splits['val'].dataset is None
    config = write(described, described.splits['val'].images, tmp_path / 'val.json')
    assert_equal(objects(config), expected(tuple(coco_folders.of('val'))))


def test_a_split_of_several_folders_becomes_a_list(tmp_path):
    yolo_folders.ultralytics(tmp_path / 'mine')
    names = 'names: [a, b, c]'
    (tmp_path / 'mine/data.yaml').write_text(f'train: [images/train, images/val]\nval: images/val\n{names}\n')
    described = describe(tmp_path / 'mine')
    assert described.splits['train'].dataset is None and len(described.splits['train'].images) == 6
    config = write(described, described.splits['train'].images, tmp_path / 'train.txt')
    assert objects(config).keys() == expected().keys()


def test_lists_that_data_yaml_names_are_read(tmp_path):
    yolo_folders.ultralytics(tmp_path)
    for split in ('train', 'val'):
        names = [f'./images/{split}/{sample.name}.jpg' for sample in SAMPLES if sample.split == split]
        (tmp_path / f'{split}.txt').write_text('\r\n'.join(names))
    (tmp_path / 'data.yaml').write_text('train: train.txt\nval: val.txt\nnc: 3\n')
    described = describe(tmp_path)
    assert described.classes == ('class_0', 'class_1', 'class_2')
    assert {name: len(split.images) for name, split in described.splits.items()} == dict(train=4, val=2)
    assert objects(described.splits['val'].dataset).keys() == {'e', 'f'}


def test_a_data_yaml_whose_paths_are_nowhere_still_names_the_classes(tmp_path):
    yolo_folders.ultralytics(tmp_path)
    (tmp_path / 'data.yaml').write_text('train: /content/x/y\nval: /content/x/z\nnames: [a, b, c]\n')
    described = describe(tmp_path)
    assert described.classes == ('a', 'b', 'c')
    assert {name: len(split.images) for name, split in described.splits.items()} == dict(train=4, val=2)


def test_labels_without_class_names_get_numbers(tmp_path):
    yolo_folders.labelimg(tmp_path)
    (tmp_path / 'classes.txt').unlink()
    described = describe(tmp_path)
    assert described.classes == ('class_0', 'class_1', 'class_2') and len(described.splits[ALL].images) == 6


def test_class_indices_beyond_the_names_are_issues(tmp_path):
    yolo_folders.labelimg(tmp_path)
    (tmp_path / 'classes.txt').write_text('cat\nroad sign\n')
    ((_, annotations),) = describe(tmp_path).sources
    found = [str(issue) for issue in annotations.issues]
    assert len(found) == 3 and 'its class index is 2, and there are 2 classes, numbered from 0' in found[0]


def test_years_of_voc_are_several_datasets(tmp_path):
    for year in ('VOC2007', 'VOC2012'):
        voc_folders.own(tmp_path / year)
    with pytest.raises(UserError, match=r'VOC2007 .*VOC2012 .*Choose one with --annotations'):
        describe(tmp_path)
    assert list(describe(tmp_path / 'VOC2007').splits) == ['train', 'val']
    assert list(describe(tmp_path, annotations=tmp_path / 'VOC2012').splits) == ['train', 'val']


def test_a_larger_copy_is_scaled_by_the_dataset(tmp_path):
    for sample in SAMPLES:
        write_image(tmp_path / f'{sample.name}.jpg', sample)
        write_text(tmp_path / f'{sample.name}.xml', voc_folders.xml_text(sample, scale=4))
    described = describe(tmp_path)
    assert described.splits[ALL].dataset['scale_boxes']
    assert_equal(objects(described.splits[ALL].dataset), expected())


def test_the_lists_of_the_tutorial_are_read_and_divided(tmp_path):
    for split in ('TRAIN', 'TEST'):
        samples = SAMPLES[:4] if split == 'TRAIN' else SAMPLES[4:]
        images = [str(write_image(tmp_path / f'pictures/{sample.name}.jpg', sample)) for sample in samples]
        columns = [
            dict(
                boxes=[corners for _, corners in sample.boxes],
                labels=[CLASSES.index(name) + 1 for name, _ in sample.boxes],
                difficulties=[0] * len(sample.boxes),
            )
            for sample in samples
        ]
        (tmp_path / f'{split}_images.json').write_text(json.dumps(images))
        (tmp_path / f'{split}_objects.json').write_text(json.dumps(columns))
    (tmp_path / 'label_map.json').write_text(json.dumps({name: i for i, name in enumerate(('background', *CLASSES))}))
    described = describe(tmp_path)
    assert described.format == 'lists' and list(described.splits) == ['train', 'test']
    assert_equal(objects(described.splits['test'].dataset), expected(SAMPLES[4:]))
    config = write(described, described.splits['train'].images[1:3], tmp_path / f'some{described.suffix}')
    assert_equal(objects(config), expected(SAMPLES[1:3]))


@pytest.mark.parametrize(
    'name, split',
    [
        ('instances_val2017', 'val'),
        ('valid', 'val'),
        ('Training', 'train'),
        ('test-dev', None),
        ('train_val', 'trainval'),
        ('WIDER_train', 'train'),
        ('constraint', None),
        ('latest', None),
        ('instances_default', None),
    ],
)
def test_the_split_is_a_word_of_the_name(name, split):
    assert split_in(name) == split
