import json
import shutil

import cv2
import pytest

from tests.sample_folders import coco_folders, voc_folders, yolo_folders
from tests.sample_folders.samples import SAMPLES
from tests.support import CONFIGS, ROOT

BCCD = ROOT.parent / 'shared/data/bccd'
CONFIG = CONFIGS / 'demo/ssd_depthwise_shapes.py'


@pytest.fixture
def data(shapes, tmp_path):
    return shutil.copytree(shapes, tmp_path / 'data')


def test_safe_data_gives_status_0_and_a_figure(run_tool, data, tmp_path):
    result = run_tool('check_dataset.py', data, '--config', CONFIG)
    assert result.returncode == 0, result.stderr
    assert 'training is safe; errors: 0, warnings: 0' in result.stdout and 'objects have no prior' in result.stdout
    assert cv2.imread(str(tmp_path / 'check_dataset.png')).shape[1] > 1000


def test_unsafe_data_gives_status_1_and_the_repaired_copy_status_0(run_tool, data, tmp_path):
    name = (data / 'ImageSets/Main/train.txt').read_text().split()[0]
    (data / 'Annotations' / f'{name}.xml').write_text('<annotation>')
    result = run_tool('check_dataset.py', data, '--fix', 'fixed')
    assert result.returncode == 1 and 'training is NOT safe; errors: 1' in result.stdout
    assert f'{name}.xml:1: not valid XML' in result.stdout
    again = run_tool('check_dataset.py', tmp_path / 'fixed/data')
    assert again.returncode == 0, again.stdout
    refused = run_tool('check_dataset.py', data, '--fix', 'fixed')
    assert refused.returncode == 2 and refused.stderr == 'error: fixed exists already; --fix writes to a new folder\n'


def test_an_image_of_training_in_the_test_split_is_named_first_as_a_leak(run_tool, data):
    train, test = ((data / f'ImageSets/Main/{split}.txt').read_text().split()[0] for split in ('train', 'test'))
    shutil.copy(data / f'JPEGImages/{train}.jpg', data / f'JPEGImages/{test}.jpg')
    result = run_tool('check_dataset.py', data, '--config', CONFIG)
    assert result.returncode == 1 and 'training is NOT safe; errors: 1' in result.stdout
    heading = result.stdout.index('errors: training or evaluation would stop, or be wrong\n  leak between splits: 1\n')
    assert f'{test}.jpg has the same bytes as' in result.stdout[heading:].splitlines()[2]


def test_classes_that_the_config_lacks_are_not_safe_when_most_boxes_have_them(run_tool, data):
    for path in (data / 'Annotations').iterdir():
        path.write_text(path.read_text().replace('<name>', '<name>big '))
    result = run_tool('check_dataset.py', data, '--config', CONFIG, '--max-listed', '2')
    assert (
        result.returncode == 1
        and "'big circle' is not a class of the config" in result.stdout
        and 'more (--max-listed 0' in result.stdout
    )


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('nowhere',), 'nowhere holds no dataset'),
        (('--config', 'nowhere.py'), 'nowhere.py'),
        (('.', '--figure', 'nowhere/a.png'), 'no folder nowhere'),
        (('.', '--picture', 'nowhere/a.png'), 'no folder nowhere'),
    ],
)
def test_arguments_with_nothing_to_check_give_status_2(run_tool, arguments, message):
    result = run_tool('check_dataset.py', *arguments)
    assert result.returncode == 2 and message in result.stderr and 'Traceback' not in result.stderr


@pytest.mark.skipif(not BCCD.is_dir(), reason='BCCD is not beside the project')
def test_the_two_bad_boxes_of_bccd_are_found_and_nothing_else(run_tool):
    result = run_tool('check_dataset.py', BCCD)
    assert result.returncode == 0
    assert 'BloodImage_00338.xml:163: ' in result.stdout and 'BloodImage_00343.xml:55: ' in result.stdout
    assert 'no area: 2' in result.stdout and 'training is safe; errors: 0, warnings: 2, info: 0' in result.stdout


@pytest.mark.parametrize('layout', [voc_folders.annots, yolo_folders.roboflow, coco_folders.roboflow])
def test_a_folder_is_checked_whatever_its_layout(run_tool, tmp_path, layout):
    layout(tmp_path / 'mine')
    result = run_tool('check_dataset.py', 'mine', '--few', '0')
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith('mine is ') and 'training is safe; errors: 0, warnings: 0' in result.stdout


def test_broken_labels_of_a_folder_are_repaired_in_the_copy(run_tool, tmp_path):
    yolo_folders.roboflow(tmp_path / 'mine')
    with open(tmp_path / 'mine/train/labels/d.txt', 'a') as file:
        file.write('7 0.5 0.5 0.1 0.1\n')
    result = run_tool('check_dataset.py', 'mine', '--fix', 'fixed')
    assert result.returncode == 1 and 'd.txt:4: its class index is 7, and there are 3 classes' in result.stdout
    again = run_tool('check_dataset.py', 'fixed')
    assert again.returncode == 0 and 'fixed is YOLO txt (fixed/data.yaml): 4 images in train' in again.stdout


def test_files_of_one_name_do_not_overwrite_each_other_in_the_copy(run_tool, tmp_path):
    coco_folders.roboflow(tmp_path / 'mine')
    assert run_tool('check_dataset.py', 'mine', '--fix', 'fixed').returncode == 0
    files = sorted((tmp_path / 'fixed').rglob('*.json'))
    assert [len(json.loads(path.read_text())['images']) for path in files] == [4, 2]


def test_options_choose_among_the_descriptions_of_a_folder(run_tool, tmp_path):
    voc_folders.annots(tmp_path / 'mine')
    (tmp_path / 'mine/labels.json').write_text(json.dumps(coco_folders.content(SAMPLES[:2], '{name}.png')))
    both = run_tool('check_dataset.py', 'mine')
    assert 'VOC XML (mine/annots): ' in both.stdout
    assert 'not read, since it describes the same images: COCO JSON in mine/labels.json' in both.stdout
    for options in (('--format', 'coco'), ('--annotations', 'mine/labels.json')):
        one = run_tool('check_dataset.py', 'mine', *options)
        assert 'mine is COCO JSON (mine/labels.json): 2 images in all' in one.stdout
    nothing = run_tool('check_dataset.py', 'mine', '--format', 'yolo')
    assert nothing.returncode == 2 and nothing.stderr.count('\n') == 1
