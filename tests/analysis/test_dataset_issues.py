"""Damaged data: each damage is reported as what it is and nothing else, and repaired in the copy where possible."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from PIL import Image

from ssd_plugin.analysis import dataset_issues, dataset_sources
from ssd_plugin.analysis.dataset_repair import write_repaired
from ssd_plugin.analysis.dataset_report import issue_lines
from ssd_plugin.analysis.image_scan import read_all
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations.records import Roles, Severity
from ssd_plugin.errors import UnusableData, UserError
from ssd_plugin.prepare.random_split import write_split

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
SIZE = (320, 240)


@pytest.fixture
def data(shapes, tmp_path):
    """A copy of the drawn data, to be broken."""
    return shutil.copytree(shapes, tmp_path / 'data')


def check(path, images=None, classes=None, few=0):
    annotations = [read for _, read in dataset_sources.of_path(path, images, classes)]
    all_images = [image for read in annotations for image in read.images]
    files = read_all(image.path for image in all_images)
    found = [issue for read in annotations for issue in dataset_issues.find(read, files, few)]
    return found + dataset_issues.duplicate_images(annotations, files), annotations


def kinds(found):
    return Counter(issue.kind for issue in found)


def voc_only(data):
    for path in data.glob('*.json'):
        path.unlink()
    return data


def names(data, split='train'):
    return (data / f'ImageSets/Main/{split}.txt').read_text().split()


def xml(data, number=0):
    return data / 'Annotations' / f'{names(data)[number]}.xml'


def jpeg(data, number=0):
    return data / 'JPEGImages' / f'{names(data)[number]}.jpg'


def edit(path, pattern, replacement, count=1):
    text, number = re.subn(pattern, replacement, path.read_text(), count=count, flags=re.S)
    assert number == count
    path.write_text(text)


def add_object(path, inner):
    edit(path, '</annotation>', f'\n<object>{inner}</object>\n</annotation>')


def box(x1, y1, x2, y2, name='circle'):
    return f'<name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>\n<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>'


def repeat_first_object(data):
    edit(xml(data), r'(<object>.*?</object>)', r'\1\n\1')


def list_twice(data):
    with open(data / 'ImageSets/Main/train.txt', 'a') as file:
        file.write(f'{names(data)[0]}\n')


def list_in_test(data):
    with open(data / 'ImageSets/Main/test.txt', 'a') as file:
        file.write(f'{names(data)[0]}\n')


def copy_image(data):
    shutil.copy(jpeg(data, 0), jpeg(data, 1))


def write_png(data, keep):
    content = cv2.imencode('.png', np.random.RandomState(0).randint(0, 255, (SIZE[1], SIZE[0], 3), np.uint8))[
        1
    ].tobytes()
    jpeg(data).write_bytes(content[:keep])


VOC = {
    'missing image': ('missing image', lambda d: jpeg(d).unlink()),
    'empty image file': ('unreadable image', lambda d: jpeg(d).write_bytes(b'')),
    'truncated image': ('unreadable image', lambda d: jpeg(d).write_bytes(jpeg(d).read_bytes()[:3000])),
    'image truncated by two bytes': ('unreadable image', lambda d: jpeg(d).write_bytes(jpeg(d).read_bytes()[:-2])),
    'truncated png': ('unreadable image', lambda d: write_png(d, 9000)),
    'page in place of an image': ('unreadable image', lambda d: jpeg(d).write_bytes(b'<html>404</html>')),
    'folder in place of an image': ('unreadable image', lambda d: (jpeg(d).unlink(), jpeg(d).mkdir())),
    'missing xml': ('missing annotation', lambda d: xml(d).unlink()),
    'truncated xml': ('unreadable annotation', lambda d: xml(d).write_text(xml(d).read_text()[:300])),
    'empty xml': ('unreadable annotation', lambda d: xml(d).write_text('')),
    'no size': ('missing size', lambda d: edit(xml(d), '<size>.*</size>', '')),
    'sides swapped in size': (
        'wrong size',
        lambda d: edit(xml(d), '<width>320(.*)<height>240|<height>240(.*)<width>320', '<height>320</height><width>240'),
    ),
    'size of zero': ('wrong size', lambda d: edit(xml(d), '<width>320', '<width>0')),
    'size is no number': ('wrong size', lambda d: edit(xml(d), '<width>320', '<width>wide')),
    'no area': ('no area', lambda d: add_object(xml(d), box(50, 60, 50, 90))),
    'a point': ('no area', lambda d: add_object(xml(d), box(50, 60, 50, 60))),
    'corners swapped': ('swapped corners', lambda d: add_object(xml(d), box(90, 95, 50, 60))),
    'one axis swapped': ('swapped corners', lambda d: add_object(xml(d), box(90, 60, 50, 95))),
    'swapped and outside': ('swapped corners', lambda d: add_object(xml(d), box(450, 95, 400, 60))),
    'outside': ('outside the image', lambda d: add_object(xml(d), box(400, 60, 450, 95))),
    'a thousand million pixels away': ('outside the image', lambda d: add_object(xml(d), box(1e9, 1e9, 2e9, 2e9))),
    'beyond the border': ('beyond the image', lambda d: add_object(xml(d), box(200, 60, 350, 95))),
    'nan': ('non-finite coordinates', lambda d: add_object(xml(d), box('nan', 60, 90, 95))),
    'infinite': ('non-finite coordinates', lambda d: add_object(xml(d), box(10, 60, 'inf', 95))),
    'a coordinate of 1e400': ('non-finite coordinates', lambda d: add_object(xml(d), box(10, 60, '1e400', 95))),
    'a coordinate of 1e300': ('non-finite coordinates', lambda d: add_object(xml(d), box(10, 60, '1e300', 95))),
    'size of 1e400': ('wrong size', lambda d: edit(xml(d), '<width>320', '<width>1e400')),
    'size of 401 digits': ('wrong size', lambda d: edit(xml(d), '<width>320', f'<width>1{"0" * 400}')),
    'coordinate is no number': ('incomplete object', lambda d: add_object(xml(d), box('left', 60, 90, 95))),
    'coordinate missing': (
        'incomplete object',
        lambda d: add_object(xml(d), box(10, 60, 90, 95).replace('<ymax>95</ymax>', '')),
    ),
    'no box': ('incomplete object', lambda d: add_object(xml(d), '<name>circle</name>')),
    'no name': (
        'incomplete object',
        lambda d: add_object(xml(d), box(10, 60, 90, 95).replace('<name>circle</name>', '')),
    ),
    'difficult is no number': (
        'incomplete object',
        lambda d: add_object(xml(d), box(10, 60, 90, 95) + '<difficult>yes</difficult>'),
    ),
    'class in capitals': ('unknown class', lambda d: add_object(xml(d), box(10, 60, 90, 95, 'Circle '))),
    'object twice': ('duplicate box', repeat_first_object),
    'listed twice': ('listed twice', list_twice),
    'in train and test': ('leak between splits', list_in_test),
    'same bytes': ('duplicate image', copy_image),
    'no objects': ('no objects', lambda d: edit(xml(d), '<object>.*</object>', '')),
    'empty list': ('empty list', lambda d: (d / 'ImageSets/Main/test.txt').write_text('\n')),
}
CLASSES = ('circle', 'square', 'triangle', 'star')
# What to do about these is for a person to decide.
NOT_REPAIRED = {'no objects', 'leak between splits', 'duplicate image', 'empty list'}


def test_intact_data_has_no_issues(data):
    found, annotations = check(data)
    assert not found and sum(len(read.images) for read in annotations) == 16 + 12 + 4


@pytest.mark.parametrize('case', VOC)
def test_each_damage_to_voc_is_reported_once_and_repaired(data, case, tmp_path):
    voc_only(data)
    kind, damage = VOC[case]
    damage(data)
    found, (annotations,) = check(data, classes=CLASSES)
    assert kinds(found) == {kind: 1}, [str(issue) for issue in found]
    where = found[0].where
    broken = names(data)[1 if case == 'same bytes' else 0]
    assert broken in where or re.search(r'(train|test)\.txt(:\d+)?$', where)
    has_line = found[0].severity is not Severity.INFO or kind in ('beyond the image', 'duplicate box', 'missing size')
    if has_line and kind not in (
        'missing image',
        'unreadable image',
        'wrong size',
        'missing annotation',
        'empty list',
        'leak between splits',
    ):
        line = int(where.rsplit(':', 1)[1])
        lines = xml(data).read_text().splitlines()
        assert 1 <= line <= max(len(lines), 1)
        if kind in ('no area', 'swapped corners', 'outside the image'):
            assert '<xmin>' in lines[line - 1]

    before = {path: path.read_bytes() for path in data.rglob('*') if path.is_file()}
    annotations.write(tmp_path / 'fixed')
    assert {path: path.read_bytes() for path in data.rglob('*') if path.is_file()} == before
    assert kinds(check(tmp_path / 'fixed', classes=CLASSES)[0]) == ({kind: 1} if kind in NOT_REPAIRED else {})


def change(index, **values):
    return lambda content: content['annotations'][index].update(values)


def remove(index, key):
    return lambda content: content['annotations'][index].pop(key)


def add_image(content, **values):
    content['images'].append({**content['images'][0], **values})


COCO = {
    'no area': ('no area', change(3, bbox=[10, 10, 0, 5])),
    'negative sides': ('swapped corners', change(3, bbox=[100, 100, -40, -30])),
    'outside': ('outside the image', change(3, bbox=[400, 10, 20, 20], area=400)),
    'beyond the border': ('beyond the image', change(3, bbox=[300, 10, 40, 20], area=800)),
    'nan': ('non-finite coordinates', change(3, bbox=[float('nan'), 10, 20, 20])),
    'three numbers': ('incomplete object', change(3, bbox=[10, 10, 20])),
    'no box': ('incomplete object', remove(3, 'bbox')),
    'no area given': ('incomplete object', remove(3, 'area')),
    'narrower than a pixel': ('narrower than a pixel', change(3, bbox=[10, 10, 0.5, 5])),
    'area of zero': ('non-positive area', change(3, area=0)),
    'no class': ('incomplete object', remove(3, 'category_id')),
    'unknown class': ('unknown class', change(3, category_id=77)),
    'unknown image': ('unknown image', change(3, image_id=7777)),
    'id twice': ('duplicate id', change(3, id=1)),
    'image id twice': ('duplicate id', add_image),
    'category id twice': ('duplicate id', lambda content: content['categories'].append(dict(id=1, name='heart'))),
    'image listed twice': ('listed twice', lambda content: add_image(content, id=999)),
    'image without size': (
        'incomplete object',
        lambda content: content['images'].append(dict(id=999, file_name='a.jpg')),
    ),
    'missing image': ('missing image', lambda content: add_image(content, id=999, file_name='nowhere.jpg')),
    'wrong size': ('wrong size', lambda content: content['images'][0].update(width=240, height=320)),
}


@pytest.mark.parametrize('case', COCO)
def test_each_damage_to_coco_is_reported_once_and_repaired(data, case, tmp_path):
    kind, damage = COCO[case]
    path = data / 'instances_train.json'
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    found, (annotations,) = check(path)
    # The added image has no objects.
    extra = {'no objects': 1} if case in ('image listed twice', 'missing image') else {}
    assert kinds(found) == {kind: 1, **extra}, [str(issue) for issue in found]
    assert str(path) in found[0].where and re.search(r'(annotations|images|categories)\[\d+\] \(id', found[0].where)
    annotations.write(tmp_path / 'fixed')
    again = kinds(check(tmp_path / 'fixed' / path.name, data / 'JPEGImages')[0])
    assert again == ({'listed twice': 1, 'no objects': 1} if kind == 'listed twice' else {})
    assert json.loads(path.read_text()).keys() == content.keys()


@pytest.mark.parametrize('content', [b'\xff\xfe\xf7', b'shape\0', None], ids=['no text', 'null', 'folder'])
def test_a_list_that_is_not_text_is_an_error_in_the_check_and_in_training(data, content):
    path = data / 'ImageSets/Main/train.txt'
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    voc_only(data)
    found, (annotations,) = check(data)
    assert 'unreadable list' in kinds(found) and len(annotations.images) == 4
    with pytest.raises(UnusableData, match=r'the list of images .*train\.txt cannot be read'):
        DATASETS.build(read_config(CONFIG, dict(data_root=str(data))).train_dataloader.dataset)


@pytest.mark.parametrize('text', ['', '{"images": [', '[]', '{"images": []}', '\x00\xff'])
def test_json_that_cannot_be_read_is_one_issue(data, text):
    path = data / 'instances_train.json'
    path.write_bytes(text.encode('latin-1'))
    assert kinds(check(path)[0]) == {'unreadable annotation': 1}


def test_an_image_of_one_json_file_in_another_is_found(data):
    train, test = (json.loads((data / f'instances_{split}.json').read_text()) for split in ('train', 'test'))
    for folder in ('Annotations', 'ImageSets'):
        shutil.rmtree(data / folder)
    copy, original = (data / 'JPEGImages' / content['images'][0]['file_name'] for content in (test, train))
    shutil.copy(original, copy)
    found, _ = check(data)
    assert (
        kinds(found) == {'leak between splits': 1}
        and str(copy) in found[0].text + found[0].where
        and str(original) in found[0].text
    )


def test_classes_with_few_objects_are_reported(data):
    found, _ = check(voc_only(data), classes=(*CLASSES, 'heart'), few=1)
    assert [(issue.kind, issue.text) for issue in found] == [('rare class', 'heart has 0 objects')]


def test_damage_to_wider_face_is_reported_and_repaired(faces, tmp_path):
    found, (annotations,) = check(faces)
    assert not found and len(annotations.images) == 16
    broken = faces / f'WIDER_val/Annotations/{(faces / "val.txt").read_text().split()[0]}.xml'
    # Pixels count from 0: a box that begins at 320 is outside an image of width 320.
    add_object(broken, box(320, 60, 330, 95, 'face'))
    edit(next((faces / 'WIDER_train/Annotations').iterdir()), '<folder>.*</folder>', '')
    found, (annotations,) = check(faces)
    assert kinds(found) == {'outside the image': 1, 'unreadable annotation': 1} and any(
        str(broken) in issue.where for issue in found
    )
    annotations.write(tmp_path / 'fixed')
    assert not check(tmp_path / 'fixed')[0]


def test_faces_without_a_size_are_an_error_as_in_training(faces, tmp_path):
    edit(next((faces / 'WIDER_train/Annotations').iterdir()), '<size>.*</size>', '')
    found, (annotations,) = check(faces)
    assert kinds(found) == {'wrong size': 1}
    annotations.write(tmp_path / 'fixed')
    assert not check(tmp_path / 'fixed')[0]


def test_wider_face_is_found_by_config(faces):
    cfg = read_config('ssd_plugin::pretrained/ssd_face_slim_320x240.py', dict(data_root=str(faces)))
    ((name, annotations),) = dataset_sources.of_config(cfg)
    assert name == faces and len(annotations.images) == 16 and annotations.classes == ('face',)


@pytest.fixture
def lists(shapes, tmp_path):
    """The drawn data as the PyTorch tutorial lists it."""
    dataset = DATASETS.build(read_config(CONFIG, dict(data_root=str(shapes))).val_dataloader.dataset)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    columns = [
        dict(boxes=[i['bbox'] for i in row], labels=[i['bbox_label'] + 1 for i in row], difficulties=[0] * len(row))
        for row in (info['instances'] for info in infos)
    ]
    folder = tmp_path / 'lists'
    folder.mkdir()
    for name, content in (
        ('TEST_images', [info['img_path'] for info in infos]),
        ('TEST_objects', columns),
        ('label_map', {**{name: number for number, name in enumerate(CLASSES, 1)}, 'background': 0}),
    ):
        (folder / f'{name}.json').write_text(json.dumps(content))
    return folder


LISTS = {
    'no area': ('no area', 'TEST_objects', lambda content: content[1]['boxes'].__setitem__(0, [5, 5, 5, 9])),
    'corners swapped': ('swapped corners', 'TEST_objects', lambda content: content[1]['boxes'][0].reverse()),
    'outside': (
        'outside the image',
        'TEST_objects',
        lambda content: content[1]['boxes'].__setitem__(0, [320, 5, 330, 9]),
    ),
    'unknown label': ('incomplete object', 'TEST_objects', lambda content: content[1]['labels'].__setitem__(0, 9)),
    'three numbers': ('incomplete object', 'TEST_objects', lambda content: content[1]['boxes'][0].pop()),
    'one label too few': ('incomplete object', 'TEST_objects', lambda content: content[1]['labels'].pop()),
    'missing image': (
        'missing image in evaluation',
        'TEST_images',
        lambda content: content.__setitem__(1, 'nowhere.jpg'),
    ),
    'one image too few': ('unreadable annotation', 'TEST_images', lambda content: content.pop()),
    'a class without number': ('unreadable annotation', 'label_map', lambda content: content.update(circle='one')),
}


@pytest.mark.parametrize('case', LISTS)
def test_each_damage_to_the_lists_of_the_tutorial_is_reported_once_and_repaired(lists, case, tmp_path):
    assert not check(lists)[0]
    kind, name, damage = LISTS[case]
    content = json.loads((lists / f'{name}.json').read_text())
    damage(content)
    (lists / f'{name}.json').write_text(json.dumps(content))
    found, (annotations,) = check(lists)
    assert kinds(found) == {kind: 1} and (kind == 'unreadable annotation' or '[1] (' in found[0].where)
    annotations.write(tmp_path / 'fixed')
    if kind != 'unreadable annotation':
        assert not check(tmp_path / 'fixed')[0]


def test_lists_of_the_tutorial_are_found_by_config(lists):
    shutil.copy(lists / 'TEST_images.json', lists / 'TRAIN_images.json')
    (lists / 'TRAIN_objects.json').write_text('[')
    cfg = read_config('ssd_plugin::recipes/ssd300_tutorial_lists_voc.py', dict(data_root=str(lists)))
    (_, broken), (name, intact) = dataset_sources.of_config(cfg)
    assert kinds(broken.issues) == {'unreadable annotation': 1}
    assert name == lists / 'TEST_images.json' and len(intact.images) == 4 and intact.classes == CLASSES
    with pytest.raises(UnusableData, match='TRAIN_objects.json is not valid JSON'):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_categories_that_would_get_other_names_are_found(data):
    found, _ = check(data / 'instances_train.json', classes=('square', 'circle', 'triangle', 'star'))
    assert kinds(found) == {'mismatched class order': 1} and "its 'circle' would be called 'square'" in found[0].text


def test_images_may_have_other_suffixes(data, tmp_path):
    voc_only(data)
    for number, suffix in enumerate(('.png', '.JPG', '.jpeg')):
        image = cv2.imread(str(jpeg(data, number)))
        jpeg(data, number).unlink()
        cv2.imwrite(str(jpeg(data, number).with_suffix(suffix)), image)
    found, (annotations,) = check(data, classes=CLASSES)
    assert not found
    annotations.write(tmp_path / 'fixed')
    assert not check(tmp_path / 'fixed', classes=CLASSES)[0]


def test_a_leak_between_splits_is_reported_first_and_once(data):
    train, test = (data / f'JPEGImages/{names(voc_only(data), split)[0]}.jpg' for split in ('train', 'test'))
    shutil.copy(train, test)
    add_object(xml(data, 3), '<name>circle</name>')
    found, _ = check(data)
    assert kinds(found) == {'leak between splits': 1, 'incomplete object': 1}
    lines = list(issue_lines(found, 0))
    assert (
        lines[1] == '  leak between splits: 1' and f'{test} has the same bytes as {train}; one is in train' in lines[2]
    )


def test_copies_within_a_split_or_in_test_and_validation_are_no_leak(data):
    files = [data / f'JPEGImages/{name}.jpg' for name in (*names(voc_only(data))[:2], *names(data, 'test')[:2])]
    shutil.copy(files[0], files[1])
    shutil.copy(files[2], files[3])
    (data / 'ImageSets/Main/val.txt').write_text(f'{files[3].stem}\n')
    assert kinds(check(data)[0]) == {'duplicate image': 2, 'in two splits': 1}


def test_a_file_that_two_json_files_list_for_training_and_evaluation_is_a_leak(data):
    train, test = (json.loads((data / f'instances_{split}.json').read_text()) for split in ('train', 'test'))
    for folder in ('Annotations', 'ImageSets'):
        shutil.rmtree(data / folder)
    listed = train['images'][0]['file_name']
    test['images'][0]['file_name'] = listed
    (data / 'instances_test.json').write_text(json.dumps(test))
    found, annotations = check(data)
    assert [issue.kind for issue in found] == ['leak between splits'] and listed in found[0].text
    # The paths are enough.
    assert kinds(dataset_issues.duplicate_images(annotations, {})) == {'leak between splits': 1}


@pytest.mark.parametrize('damage, kind', [(Path.unlink, 'missing image'), (Path.touch, 'unreadable image')])
def test_a_broken_image_of_the_test_split_is_an_error(data, damage, kind):
    """Evaluation takes no other image in its place."""
    broken = data / f'JPEGImages/{names(voc_only(data), "test")[0]}.jpg'
    broken.unlink()
    if damage is Path.touch:
        broken.touch()
    found, (annotations,) = check(data)
    assert kinds(found) == {f'{kind} in evaluation': 1} and found[0].severity is Severity.ERROR
    assert sum(map(annotations.trains, annotations.images)) == 12


def configured(data, **lists):
    """Return the config of the drawn data with other lists in its dataloaders."""
    cfg = read_config(CONFIG, dict(data_root=str(data)))
    cfg.test_dataloader = cfg.val_dataloader
    for split, ann_file in lists.items():
        cfg[f'{split}_dataloader'].dataset.ann_file = ann_file
    return cfg


def test_the_lists_that_a_config_names_are_checked_in_their_roles(data):
    main = data / 'ImageSets/Main'
    (main / 'mine.txt').write_text('\n'.join(names(data)[:4]))
    (data / 'held_out.txt').write_text('\n'.join(names(data)[3:6]))
    cfg = configured(data, train='ImageSets/Main/mine.txt', val='held_out.txt')
    ((_, annotations),) = dataset_sources.of_config(cfg)
    found = dataset_issues.find(annotations, {}, 0)
    assert kinds(found) == {'leak between splits': 1} and xml(data, 3).name in found[0].where
    assert f'{names(data)[3]}.jpg is in mine and in {data}/held_out.txt' in found[0].text
    # Evaluation reads the fifth image, by that list.
    jpeg(data, 4).unlink()
    files = read_all(image.path for image in annotations.images)
    assert kinds(dataset_issues.find(annotations, files, 0))['missing image in evaluation'] == 1


def test_lists_that_a_config_names_twice_or_in_vain_are_errors(data):
    cfg = configured(data, train='ImageSets/Main/test.txt', val='ImageSets/Main/test.txt')
    ((_, annotations),) = dataset_sources.of_config(cfg)
    assert [str(issue) for issue in annotations.issues] == [
        f'{data}: the config trains and evaluates on the same split, test'
    ]
    ((_, annotations),) = dataset_sources.of_config(configured(data, val='ImageSets/Main/val.txt'))
    assert [str(issue) for issue in annotations.issues] == [
        f'{data}/ImageSets/Main/val.txt: the config names it, but it is missing'
    ]


def test_the_names_of_splits_say_what_they_are_for():
    roles = Roles.by_name(['train', 'trainval', 'val', 'instances_test2017', 'TRAIN', 'TEST', 'latest', 'image_val'])
    assert roles.trained == {'train', 'trainval', 'TRAIN'}
    assert roles.evaluated == {'val', 'instances_test2017', 'TEST', 'image_val'}


def rotate_by_exif(path, orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif)


def corners(annotations, name):
    (image,) = [image for image in annotations.images if image.path.stem == name]
    return image.size, [box.corners for box in image.boxes]


def describe(path, size, *boxes):
    """Replace the size and the objects of an XML file."""
    edit(path, '<size>.*?</size>', f'<size><width>{size[0]}</width><height>{size[1]}</height></size>')
    path.write_text(re.sub('<object>.*</object>', '', path.read_text(), flags=re.S))
    for corners in boxes:
        add_object(path, box(*corners))


def test_boxes_that_ignore_the_exif_rotation_are_rotated_in_the_copy(data, tmp_path):
    rotate_by_exif(jpeg(data))
    stored = jpeg(data).stem
    describe(xml(data), (320, 240), (11, 21, 110, 60), (300, 20, 330, 40))
    for path in data.glob('*.json'):
        content = json.loads(path.read_text())
        image = next((image for image in content['images'] if image['file_name'] == jpeg(data).name), None)
        if image:
            content['annotations'] = [a for a in content['annotations'] if a['image_id'] != image['id']]
            content['annotations'].append(
                dict(id=9999, image_id=image['id'], category_id=1, bbox=[10, 20, 100, 40], area=4000, iscrowd=0)
            )
            path.write_text(json.dumps(content))
    found, _ = check(data)
    assert kinds(found) == {'EXIF rotation not applied': 2, 'beyond the image': 1}
    assert 'rotated to 240x320 pixels by its EXIF orientation 6' in found[0].text
    assert found[0].severity is Severity.ERROR
    _, annotations = check(data)
    for read in annotations:
        read.write(tmp_path / 'fixed')
    again, fixed = check(tmp_path / 'fixed')
    assert not again
    # A quarter turn to the right: x' = 240 - y, y' = x; VOC counts from 1, and the second box is clipped.
    assert corners(fixed[0], stored) == ((240, 320), [(181, 11, 220, 110), (201, 300, 221, 320)])
    assert next(corners(read, stored) for read in fixed[1:] if read.images[0].splits == {'instances_train'}) == (
        (240, 320),
        [(180, 10, 220, 110)],
    )


@pytest.mark.parametrize(
    'orientation, size, corners_, kind',
    [
        # Annotated after the rotation.
        (6, (240, 320), (100, 250, 200, 310), None),
        # The box fits after the rotation only: just the size is that of the file.
        (6, (320, 240), (100, 250, 200, 310), 'wrong size'),
        # The size is the same before and after.
        (3, (320, 240), (100, 50, 200, 110), 'EXIF rotation unclear'),
    ],
)
def test_boxes_of_the_rotated_image_are_kept(data, tmp_path, orientation, size, corners_, kind):
    rotate_by_exif(jpeg(data), orientation)
    describe(xml(voc_only(data)), size, corners_)
    found, (annotations,) = check(data)
    assert kinds(found) == ({kind: 1} if kind else {})
    annotations.write(tmp_path / 'fixed')
    again, (fixed,) = check(tmp_path / 'fixed')
    assert kinds(again) == ({kind: 1} if kind == 'EXIF rotation unclear' else {})
    assert corners(fixed, jpeg(data).stem)[1] == [corners_]


def test_without_a_size_boxes_that_fit_only_before_the_exif_rotation_are_rotated(data, tmp_path):
    rotate_by_exif(jpeg(data), 8)
    describe(xml(voc_only(data)), (1, 1), (261, 21, 310, 60))
    edit(xml(data), '<size>.*?</size>', '')
    found, (annotations,) = check(data)
    assert kinds(found) == {'missing size': 1, 'EXIF rotation not applied': 1}
    # A quarter turn to the left: x' = y, y' = 321 - x.
    assert corners(annotations, jpeg(data).stem) == ((240, 320), [(21, 11, 60, 60)])


def shrink(data, size):
    """Replace the first image by one of another size, and its objects by a box that fits the old size only."""
    cv2.imwrite(str(jpeg(data)), np.random.RandomState(0).randint(0, 255, (*size[::-1], 3), np.uint8))
    describe(xml(voc_only(data)), (320, 240), (101, 51, 200, 110))


def test_an_image_whose_boxes_fit_another_size_only_is_dropped_from_the_copy(data, tmp_path):
    shrink(data, (150, 150))
    found, (annotations,) = check(data)
    assert kinds(found) == {'wrong size': 1} and 'another version of the image, which --fix drops' in found[0].text
    annotations.write(tmp_path / 'fixed')
    again, (fixed,) = check(tmp_path / 'fixed')
    assert not again and len(fixed.images) == 15


def test_boxes_of_a_larger_copy_are_scaled_in_the_repaired_annotation(data, tmp_path):
    shrink(data, (160, 120))
    found, (annotations,) = check(data)
    assert kinds(found) == {'wrong size': 1} and 'an image of 320x240; --fix scales them' in found[0].text
    annotations.write(tmp_path / 'fixed')
    again, (fixed,) = check(tmp_path / 'fixed')
    # VOC counts from 1: 100 to 199 pixels from 0 are 50 to 99.5.
    assert not again and corners(fixed, jpeg(data).stem) == ((160, 120), [(51, 26, 100, 55)])


def test_lists_of_files_and_a_byte_order_mark_are_read_as_in_training(data, tmp_path):
    listed = voc_only(data) / 'ImageSets/Main/train.txt'
    expected = names(data)
    suffixes = ['.jpg', '.JPG', '.png', '']
    text = ''.join(f'{name}{suffixes[number % 4]}\r\n' for number, name in enumerate(expected))
    listed.write_bytes(b'\xef\xbb\xbf' + text.encode())
    found, (annotations,) = check(data, classes=CLASSES)
    assert not found and [image.path.stem for image in annotations.images[:12]] == expected
    annotations.write(tmp_path / 'fixed')
    assert names(tmp_path / 'fixed') == expected
    dataset = DATASETS.build(read_config(CONFIG, dict(data_root=str(data))).train_dataloader.dataset)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert [info['img_id'] for info in infos] == expected and all(Path(info['img_path']).is_file() for info in infos)


def test_a_name_that_ends_like_a_file_keeps_its_end_if_its_annotation_does(data):
    name = names(voc_only(data))[0]
    for path in (xml(data), jpeg(data)):
        path.rename(path.with_name(f'{name}.jpg{path.suffix}'))
    edit(data / 'ImageSets/Main/train.txt', name, f'{name}.jpg')
    found, (annotations,) = check(data, classes=CLASSES)
    assert not found and annotations.images[0].path.name == f'{name}.jpg.jpg'


@pytest.mark.parametrize('kind', ['voc', 'coco', 'lists'])
def test_a_copy_that_would_list_no_image_is_refused(data, lists, kind, tmp_path):
    path = dict(voc=data, coco=data / 'instances_train.json', lists=lists)[kind]
    if kind == 'voc':
        voc_only(data)
    read = [annotations for _, annotations in dataset_sources.of_path(path)]
    for image in read[0].images:
        image.drop()
    with pytest.raises(UserError, match='a repaired copy would list none'):
        write_repaired([(path, read[0])], tmp_path / 'fixed')
    assert not (tmp_path / 'fixed').exists()


def test_a_folder_without_lists_gets_a_split_by_the_command_in_the_message(data):
    shutil.rmtree(voc_only(data) / 'ImageSets')
    found, _ = check(data)
    assert kinds(found) == {'missing list': 1}
    assert f'tools/prepare_data.py split {data} splits its images at random, into trainval.txt' in found[0].text
    write_split(data)
    found, (annotations,) = check(data)
    assert not found and len(annotations.images) == 16


def test_a_folder_without_data_is_an_error(tmp_path):
    with pytest.raises(UserError, match='neither'):
        list(dataset_sources.of_path(tmp_path))
