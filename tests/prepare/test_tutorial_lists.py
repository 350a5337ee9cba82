import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from mmdet.datasets import VOCDataset
from mmdet.registry import DATASETS

from ssd_plugin.datasets.annotations import tutorial_lists as reader
from ssd_plugin.errors import UserError
from ssd_plugin.prepare import tutorial_lists
from ssd_plugin.prepare.drawn_shapes import CLASSES
from ssd_plugin.prepare.tutorial_lists import write_lists

SPLITS = ('train', 'test')
FILES = ['TEST_images.json', 'TEST_objects.json', 'TRAIN_images.json', 'TRAIN_objects.json', 'label_map.json']


def voc_object(name, *corners, more=''):
    values = ''.join(f'<{tag}>{value}</{tag}>' for tag, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), corners))
    return f'<object><name>{name}</name>{more}<bndbox>{values}</bndbox></object>'


def make_voc(folder, lists, suffix='.jpg'):
    """Write a folder in VOC's layout: per list, the objects of each image by its name."""
    for name in ('Annotations', 'JPEGImages', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True)
    for split, images in lists.items():
        (folder / f'ImageSets/Main/{split}.txt').write_text(''.join(f'{name}\n' for name in images))
        for name, objects in images.items():
            cv2.imwrite(str(folder / f'JPEGImages/{name}{suffix}'), np.zeros((60, 80, 3), np.uint8))
            size = '<size><width>80</width><height>60</height></size>'
            (folder / f'Annotations/{name}.xml').write_text(f'<annotation>{size}{"".join(objects)}</annotation>')
    return folder


def content(out):
    return {path.stem: json.loads(path.read_text()) for path in out.iterdir()}


def write(folders, out, **options):
    lines = []
    write_lists(folders, out, log=lines.append, **options)
    return lines


@pytest.fixture
def lists(shapes, tmp_path):
    write([shapes], tmp_path / 'lists', classes=CLASSES, splits=SPLITS)
    return tmp_path / 'lists'


def test_lists_of_two_folders_are_those_of_the_tutorial(tmp_path):
    difficult, part = '<difficult>1</difficult>', '<part><name>head</name></part>'
    first = {
        'trainval': {
            'b': [voc_object('dog', 1, 2, 30, 40), voc_object(' Person ', '5.9', 1, 80, 60, more=difficult)],
            'empty': [],
            'a': [voc_object('aeroplane', 8, 9, 10, 11, more=f'<difficult>0</difficult>{part}')],
        },
        'test': {'c': [voc_object('cat', 2, 2, 3, 3)], 'd': []},
    }
    second = {'trainval': {'2012_1': [voc_object('tvmonitor', 11, 12, 13, 14)]}}
    folders = [make_voc(tmp_path / 'VOC2007', first), make_voc(tmp_path / 'VOC2012', second, '.png')]
    lines = write(folders, tmp_path / 'out/lists')
    voc2007, voc2012 = (folder / 'JPEGImages' for folder in folders)
    assert content(tmp_path / 'out/lists') == {
        'TRAIN_images': [f'{voc2007}/b.jpg', f'{voc2007}/a.jpg', f'{voc2012}/2012_1.png'],
        'TRAIN_objects': [
            dict(boxes=[[0, 1, 29, 39], [4, 0, 79, 59]], labels=[12, 15], difficulties=[0, 1]),
            dict(boxes=[[7, 8, 9, 10]], labels=[1], difficulties=[0]),
            dict(boxes=[[10, 11, 12, 13]], labels=[20], difficulties=[0]),
        ],
        'TEST_images': [f'{voc2007}/c.jpg', f'{voc2007}/d.jpg'],
        'TEST_objects': [
            dict(boxes=[[1, 1, 2, 2]], labels=[8], difficulties=[0]),
            dict(boxes=[], labels=[], difficulties=[]),
        ],
        'label_map': {
            **{name: number for number, name in enumerate(VOCDataset.METAINFO['classes'], 1)},
            'background': 0,
        },
    }
    assert lines == [
        f'20 classes: {", ".join(VOCDataset.METAINFO["classes"])}',
        'TRAIN: 3 images, 4 objects, 1 of them difficult',
        f'  1 image(s) without objects are skipped: {voc2007}/empty.jpg',
        'TEST: 2 images, 1 objects, 0 of them difficult',
        f'written to {tmp_path}/out/lists: label_map.json, TRAIN_objects.json, TEST_objects.json, TRAIN_images.json, '
        'TEST_images.json',
    ]


def test_paths_are_absolute(tmp_path, monkeypatch):
    make_voc(tmp_path / 'voc', {split: {split: [voc_object('dog', 1, 1, 9, 9)]} for split in SPLITS})
    monkeypatch.chdir(tmp_path)
    write(['elsewhere/../voc'], tmp_path / 'lists', splits=SPLITS)
    assert content(tmp_path / 'lists')['TRAIN_images'] == [f'{tmp_path}/voc/JPEGImages/train.jpg']


def same_data(data, out, classes=CLASSES):
    """Compare the lists with the XML files, and return the number of images of each split."""
    counts = []
    for name, split, test_mode in (('TRAIN', 'train', False), ('TEST', 'test', True)):
        shared = dict(test_mode=test_mode, serialize_data=False, filter_cfg=dict(filter_empty_gt=True))
        xml = DATASETS.build(
            dict(
                shared,
                type='CheckedVOCDataset',
                data_root=str(data),
                metainfo=dict(classes=classes),
                ann_file=f'ImageSets/Main/{split}.txt',
                data_prefix=dict(sub_data_root=''),
            )
        )
        ours = DATASETS.build(
            dict(shared, type='JsonListsDataset', data_root=str(out), ann_file=f'{name}{reader.IMAGES}')
        )
        assert ours.metainfo['classes'] == xml.metainfo['classes']
        counts.append(len(ours))
        infos = [[dataset.get_data_info(index) for index in range(len(dataset))] for dataset in (ours, xml)]
        # The lists have no sizes, and no annotation file of their own.
        for info in infos[1]:
            del info['width'], info['height'], info['xml_path']
        assert infos[0] == infos[1]
    return counts


def test_the_lists_and_the_annotations_are_the_same_data_in_the_same_order(shapes, lists):
    assert same_data(shapes, lists) == [12, 4]


DAMAGES = {
    'not xml': ('</annotation>', ''),
    'object without a name': ('<name>.*?</name>', ''),
    'object without a box': ('<bndbox>.*?</bndbox>', ''),
    'not finite': ('<xmin>.*?</xmin>', '<xmin>nan</xmin>'),
    'not a number': ('<xmin>.*?</xmin>', '<xmin>left</xmin>'),
    'width is not a number': ('<width>.*?</width>', '<width/>'),
    'no size and no image': ('<size>.*?</size>', ''),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_what_training_cannot_read_is_skipped_and_named_as_training_does(damage, shapes, tmp_path):
    data = shutil.copytree(shapes, tmp_path / 'data')
    path = data / 'ImageSets/Main/train.txt'
    first, *others = path.read_text().split()
    # One of 23 images is less than the limit.
    path.write_text('\n'.join([*others, first, *others]))
    (data / f'JPEGImages/{first}.jpg').unlink()
    annotation = data / f'Annotations/{first}.xml'
    pattern, text = DAMAGES[damage]
    annotation.write_text(re.sub(pattern, text, annotation.read_text(), count=1, flags=re.DOTALL))
    lines = write([data], tmp_path / 'lists', classes=CLASSES, splits=SPLITS)
    assert same_data(data, tmp_path / 'lists') == [22, 4]
    (line,) = (line for line in lines if 'cannot be read' in line)
    assert line.startswith(f'  1 image(s) are skipped because their annotation cannot be read: {annotation}: ')


@pytest.mark.parametrize(
    'corners, reason',
    [((10, 20, 10, 30), 'no area'), ((30, 20, 20, 30), 'swapped corners'), ((81, 20, 90, 30), 'outside the image')],
)
def test_boxes_that_training_skips_stay_in_the_lists_and_are_named(corners, reason, tmp_path):
    objects = [voc_object('dog', 1, 1, 9, 9), voc_object('dog', *corners)]
    data = make_voc(tmp_path / 'voc', dict(train={'a': objects}, test={'b': objects[:1]}))
    lines = write([data], tmp_path / 'lists', splits=SPLITS, classes=['dog'])
    assert content(tmp_path / 'lists')['TRAIN_objects'][0]['boxes'][1] == [value - 1 for value in corners]
    assert lines[2] == (
        f'  1 box(es) are listed, but cannot be used for training: {data}/Annotations/a.xml: dog {corners} ({reason})'
    )
    assert same_data(data, tmp_path / 'lists', ('dog',)) == [1, 1]


def test_image_files_that_are_missing_are_named(tmp_path):
    data = make_voc(tmp_path / 'voc', {split: {split: [voc_object('dog', 1, 1, 9, 9)]} for split in SPLITS})
    (data / 'JPEGImages/test.jpg').unlink()
    lines = write([data], tmp_path / 'lists', splits=SPLITS)
    assert f'  1 image file(s) are listed, but missing: {data}/JPEGImages/test.jpg' in lines
    assert content(tmp_path / 'lists')['TEST_images'] == [f'{data}/JPEGImages/test.jpg']


@pytest.fixture
def own(tmp_path):
    """Data with classes of its own, one in two spellings."""
    names = dict(train=['WBC', 'rbc ', 'RBC', 'dog'], test=['Platelets'])
    lists = {
        split: {f'{split}{index}': [voc_object(name, 1, 1, 9, 9)] for index, name in enumerate(found)}
        for split, found in names.items()
    }
    return make_voc(tmp_path / 'voc', lists)


def test_without_classes_those_of_the_data_are_numbered_in_alphabetical_order(own, tmp_path):
    lines = write([own], tmp_path / 'lists', splits=SPLITS)
    found = content(tmp_path / 'lists')
    assert found['label_map'] == dict(dog=1, platelets=2, rbc=3, wbc=4, background=0)
    assert [row['labels'] for row in found['TRAIN_objects']] == [[4], [3], [3], [1]]
    assert lines[0] == '4 classes: dog, platelets, rbc, wbc'


def test_classes_given_are_numbered_in_their_order_and_objects_of_others_counted(own, tmp_path):
    lines = write([own], tmp_path / 'lists', splits=SPLITS, classes=['RBC', ' WBC'])
    found = content(tmp_path / 'lists')
    assert found['label_map'] == dict(RBC=1, WBC=2, background=0)
    assert [row['labels'] for row in found['TRAIN_objects']] == [[2], [1], [1]]
    assert [row['labels'] for row in found['TEST_objects']] == [[]]
    assert lines[1:4] == [
        'TRAIN: 3 images, 3 objects, 0 of them difficult',
        f'  1 image(s) without objects are skipped: {own}/JPEGImages/train3.jpg',
        '  1 object(s) of other classes are skipped: dog (1)',
    ]
    assert lines[5] == '  1 object(s) of other classes are skipped: Platelets (1)'


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(classes=['RBC', 'rbc']), 'must differ by more than case'),
        (dict(classes=['RBC', '']), 'none may be empty'),
        (dict(classes=['RBC', 'Background']), "or 'background'"),
        (dict(classes=['heart']), 'no training image has an object of the classes heart'),
        (dict(splits=('trainval', 'test')), r'no list .*trainval.txt \(--train-split\); .* test, train$'),
        (dict(splits=('train', 'val')), r'ImageSets/Main/val.txt \(--test-split\)'),
    ],
)
def test_options_that_do_not_fit_the_data_are_errors(options, message, own, tmp_path):
    with pytest.raises(UserError, match=message):
        write([own], tmp_path / 'lists', **{'splits': SPLITS, **options})
    assert not (tmp_path / 'lists').exists()


def test_too_many_unreadable_annotations_and_one_of_a_test_image_are_errors(own, tmp_path):
    (own / 'Annotations/train0.xml').unlink()
    with pytest.raises(UserError, match='1 of 4 annotations .*, more than 5%; the first is .*train0.xml: No such'):
        write([own], tmp_path / 'lists', splits=SPLITS)
    with pytest.raises(UserError, match='train0.xml: No such file.* Evaluation skips nothing.*Main/train.txt'):
        write([own], tmp_path / 'lists', splits=('test', 'train'))
    (own / 'ImageSets/Main/train.txt').write_bytes(b'\0\0')
    with pytest.raises(UserError, match='train.txt cannot be read: it is not text'):
        write([own], tmp_path / 'lists', splits=SPLITS)


def test_lists_that_are_there_are_kept_unless_they_may_be_replaced(own, tmp_path):
    out = tmp_path / 'lists'
    write([own], out, splits=SPLITS)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()}
    assert sorted(path.name for path in before) == FILES
    assert write([own], out, splits=SPLITS)[-1].startswith(f'already in {out}: ')
    with pytest.raises(UserError, match=r'has other lists \(label_map.json, TRAIN_objects.json\); .* --overwrite'):
        write([own], out, splits=SPLITS, classes=['dog', 'platelets', 'wbc', 'rbc'])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.iterdir()} == before
    write([own], out, splits=SPLITS, classes=['dog', 'platelets', 'wbc', 'rbc'], overwrite=True)
    assert content(out)['label_map']['wbc'] == 3 and len(list(out.iterdir())) == len(FILES)


@pytest.mark.parametrize('renamed', range(5))
def test_an_interrupted_replacement_never_leaves_lists_that_do_not_match(renamed, own, tmp_path, monkeypatch):
    out = tmp_path / 'lists'
    write([own], out, splits=SPLITS)
    old = {path.name: path.read_bytes() for path in out.iterdir()}
    publish, done = tutorial_lists.publish, []

    def interrupted(path):
        if len(done) == renamed:
            raise KeyboardInterrupt
        done.append(path)
        publish(path)

    monkeypatch.setattr(tutorial_lists, 'publish', interrupted)
    with pytest.raises(KeyboardInterrupt):
        write([own], out, splits=SPLITS, classes=['wbc', 'dog'], overwrite=True)
    names = {path.name for path in out.iterdir()}
    assert names <= set(FILES)
    for split in ('TRAIN', 'TEST'):
        images = out / f'{split}{reader.IMAGES}'
        if images.exists():
            # A list of images is there again only when everything beside it is new.
            assert renamed > 3 and (out / f'{split}{reader.OBJECTS}').read_bytes() != old[f'{split}{reader.OBJECTS}']
            assert reader.load(images)[2] == {1: 'wbc', 2: 'dog'}
        else:
            with pytest.raises(FileNotFoundError):
                reader.load(images)


def test_a_folder_that_cannot_be_written_is_an_error(own, tmp_path):
    (tmp_path / 'lists').write_text('')
    for out in ('lists', 'lists/deep'):
        with pytest.raises(UserError, match=f'{out} cannot be written: .*/lists is not a writable folder'):
            write([own], tmp_path / out, splits=SPLITS)


def test_an_error_while_writing_leaves_nothing(own, tmp_path, monkeypatch):
    def full(path):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(tutorial_lists, 'publish', full)
    with pytest.raises(UserError, match='lists cannot be written to .*: .*No space left'):
        write([own], tmp_path / 'lists', splits=SPLITS)
    assert list((tmp_path / 'lists').iterdir()) == []


def test_two_writers_at_once_leave_the_lists_of_one_of_them(own, shapes, tmp_path, monkeypatch):
    """The second waits for the first, and replaces its lists."""
    publish = tutorial_lists.publish
    # Long enough for the other writer to come between two files.
    monkeypatch.setattr(tutorial_lists, 'publish', lambda path: (time.sleep(0.05), publish(path)))
    expected = []
    for number, root in enumerate((own, shapes)):
        write([root], tmp_path / f'alone{number}', splits=SPLITS)
        expected.append(content(tmp_path / f'alone{number}'))
    for _ in range(3):
        with ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(write, [root], tmp_path / 'both', splits=SPLITS, overwrite=True) for root in (own, shapes)
            ]
        assert all(run.result() for run in runs)
        assert content(tmp_path / 'both') in expected


def test_images_listed_twice_and_test_images_that_are_trained_on_are_named(tmp_path):
    dog = [voc_object('dog', 1, 2, 30, 40)]
    folder = make_voc(tmp_path / 'VOC', {'trainval': {'a': dog, 'b': dog}, 'test': {'a': dog, 'c': dog}})
    assert not [line for line in write([folder], tmp_path / 'once') if 'more than once' in line]
    listing = folder / 'ImageSets/Main/trainval.txt'
    listing.write_text(f'{listing.read_text()}b.jpg\n')
    lines = write([folder], tmp_path / 'lists')
    images = folder / 'JPEGImages'
    assert f'  1 image(s) are listed more than once, and count as often: {images}/b.jpg' in lines
    shared = '1 test image(s) are training images, too, so that the evaluation will be too good'
    assert f'{shared}: {images}/a.jpg' in lines


def test_many_findings_are_named_in_part():
    content = tutorial_lists.SplitContent(missing_images=[f'{index}.jpg' for index in range(23)])
    assert content.report('TEST')[1].endswith('17.jpg, 18.jpg, 19.jpg, and 3 more')
    content.missing_images = content.missing_images[:20]
    assert content.report('TEST')[1].endswith('18.jpg, 19.jpg')


def test_the_tool_writes_lists_and_reports_mistakes_in_one_line(run_tool, shapes, tmp_path):
    splits, classes = ('--train-split', 'train'), ('--classes', ','.join(CLASSES))
    result = run_tool('prepare_data.py', 'lists', shapes, '--out', 'lists', *classes, *splits)
    assert result.returncode == 0, result.stderr
    assert 'TRAIN: 12 images' in result.stdout and 'written to lists: ' in result.stdout
    assert same_data(shapes, tmp_path / 'lists') == [12, 4]
    for arguments, message in (
        (('nowhere',), f'error: there is no folder {tmp_path}/nowhere\n'),
        ((shapes,), f'error: there is no list {shapes}/ImageSets/Main/trainval.txt'),
        ((shapes, '--out', 'lists', *splits), 'error: lists has other lists (label_map.json, '),
    ):
        refused = run_tool('prepare_data.py', 'lists', *arguments)
        assert refused.returncode == 1 and message in refused.stderr and 'Traceback' not in refused.stderr
    replaced = run_tool('prepare_data.py', 'lists', shapes, '--out', 'lists', *splits, '--overwrite')
    assert replaced.returncode == 0 and content(tmp_path / 'lists')['label_map']['circle'] == 1


@pytest.mark.slow
def test_training_on_the_lists_gives_the_losses_of_training_on_the_annotations(lists, shapes, run_tool, tmp_path):
    base = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
    (tmp_path / 'lists.py').write_text(
        f"""_base_ = {base!r}
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='JsonListsDataset',
        data_root={str(lists)!r},
        ann_file='TRAIN_images.json',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=_base_.train_pipeline,
        augment=_base_.train_dataloader.dataset.augment,
    )
)
"""
    )
    options = [
        f'data_root={shapes}',
        'train_cfg.max_iters=3',
        'train_cfg.val_interval=9',
        'train_dataloader.batch_size=4',
        'default_hooks.logger.interval=1',
    ]
    scalars = {}
    for work_dir, config in dict(annotations=base, lists=tmp_path / 'lists.py').items():
        result = run_tool('train.py', config, '--work-dir', f'run/{work_dir}', '--cfg-options', *options)
        assert result.returncode == 0, result.stderr[-3000:]
        (path,) = (tmp_path / 'run' / work_dir).glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        scalars[work_dir] = [{key: row[key] for key in row if key not in ('time', 'data_time')} for row in rows]
    assert sum('loss' in row for row in scalars['lists']) == 3
    assert scalars['lists'] == scalars['annotations']
