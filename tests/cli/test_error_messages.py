import errno
import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.config import Config

from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import read_config
from ssd_plugin.datasets import xml_dataset
from ssd_plugin.datasets.transforms import fused_ssd_augment
from ssd_plugin.datasets.transforms.fused_ssd_augment import FusedSSDAugment
from ssd_plugin.errors import UnusableData, UserError

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
QUICK = (
    'train_cfg.max_iters=2',
    'train_cfg.val_interval=2',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
)


def test_ctrl_c_ends_a_tool_in_one_line(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ending:
        exit_on_user_error(main)
    assert ending.value.code == 130 and capsys.readouterr().err == 'interrupted\n'


@pytest.fixture
def data(shapes, tmp_path):
    """A copy of the drawn dataset to be broken."""
    return shutil.copytree(shapes, tmp_path / 'data')


def message_of(result):
    """Return the error line of a tool, after checking that there is no traceback."""
    assert result.returncode == 1 and 'Traceback' not in result.stderr, result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith('error: ')
    return line


def train(run_tool, data, *options):
    return run_tool('train.py', CONFIG, '--cfg-options', f'data_root={data}', *QUICK, *options)


def test_a_missing_dataset_is_an_error_with_folder_key_and_remedy(run_tool, tmp_path):
    message = message_of(train(run_tool, tmp_path / 'nowhere'))
    assert (
        'nowhere' in message
        and 'train_dataloader.dataset.data_root' in message
        and '--cfg-options data_root' in message
    )


def test_a_missing_annotation_is_an_error_with_file_and_key(run_tool, data):
    (data / 'ImageSets/Main/train.txt').unlink()
    message = message_of(train(run_tool, data))
    assert str(data / 'ImageSets/Main/train.txt') in message and 'train_dataloader.dataset.ann_file' in message


@pytest.mark.parametrize('workers', [0, 1])
def test_training_ends_if_all_images_are_missing(run_tool, data, workers):
    shutil.rmtree(data / 'JPEGImages')
    (data / 'JPEGImages').mkdir()
    message = message_of(train(run_tool, data, f'train_dataloader.num_workers={workers}'))
    assert (
        '100 of the 100 images could not be read' in message
        and '.jpg: it is missing' in message
        and 'max_unreadable' in message
    )


def test_unreadable_images_are_skipped_named_and_counted(run_tool, data):
    """Also by a worker, in another process."""
    names = (data / 'ImageSets/Main/train.txt').read_text().split()
    (data / 'JPEGImages' / f'{names[0]}.jpg').unlink()
    whole = (data / 'JPEGImages' / f'{names[1]}.jpg').read_bytes()
    (data / 'JPEGImages' / f'{names[1]}.jpg').write_bytes(whole[: len(whole) // 2])
    result = train(run_tool, data, 'train_cfg.max_iters=12', 'train_dataloader.num_workers=1')
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    assert (
        f'{names[0]}.jpg is skipped: it is missing' in text
        and f'{names[1]}.jpg is skipped: it is truncated or damaged' in text
    )
    assert re.search(r'[1-9]\d* of the \d+ reads of images so far failed', text)


def test_training_ends_if_most_boxes_are_unusable(run_tool, data):
    for path in (data / 'Annotations').iterdir():
        path.write_text(re.sub(r'<xmax>\d+', '<xmax>1', path.read_text()))
    message = message_of(train(run_tool, data))
    assert 'swapped corners' in message and 'more than the 5%' in message and 'check_dataset.py' in message


def test_test_images_that_are_not_images_are_named_and_an_error_if_they_are_many(run_tool, data):
    names = (data / 'ImageSets/Main/test.txt').read_text().split()
    for name in names:
        (data / 'JPEGImages' / f'{name}.jpg').write_bytes(b'no image')
    result = train(run_tool, data)
    assert '4 of the 4 images could not be read (100.0%)' in message_of(result)
    assert all(f'{name}.jpg is evaluated as a gray image: it is damaged' in result.stdout for name in names)


def missing_file(data, **changes):
    """Return the message for a test image that is missing, where the pipeline does not count such images."""
    cfg = read_config(CONFIG, dict(data_root=f'{data}/', **changes))
    path = data / 'JPEGImages' / f'{(data / "ImageSets/Main/test.txt").read_text().split()[0]}.jpg'
    with pytest.raises(UserError) as error, explained(cfg):
        raise FileNotFoundError(2, 'No such file or directory', str(path))
    return str(error.value)


def test_a_missing_test_image_is_blamed_on_the_list_that_names_it(data):
    assert f'although {data}/ImageSets/Main/test.txt (val_dataloader.dataset.ann_file) lists it' in missing_file(data)
    (data / 'ImageSets/Main/mine.txt').write_text('another')
    by_json = missing_file(data, **{'val_dataloader.dataset.ann_file': 'ImageSets/Main/mine.txt'})
    assert f'although {data}/instances_test.json (test_dataloader.dataset.ann_file) lists it' in by_json


def test_a_dataset_without_lists_is_an_error_that_says_how_to_split_it(run_tool, data):
    shutil.rmtree(data / 'ImageSets')
    message = message_of(train(run_tool, data))
    command = f'tools/prepare_data.py split {data} --train-split train --test-split test'
    assert f'{data} has no lists of images: {command} splits its images at random' in message
    made = run_tool(*command.removeprefix('tools/').split())
    assert made.returncode == 0 and train(run_tool, data).returncode == 0


def test_a_missing_list_beside_others_is_an_error_that_names_them(run_tool, data):
    (data / 'ImageSets/Main/train.txt').rename(data / 'ImageSets/Main/mine.txt')
    message = message_of(train(run_tool, data))
    assert 'Set train_dataloader.dataset.ann_file to one of the lists in its folder: mine.txt, test.txt' in message


def break_xml(data, split, number, content):
    """Replace or remove the annotations of the first images of a split; return the path of the first."""
    names = (data / f'ImageSets/Main/{split}.txt').read_text().split()[:number]
    paths = [data / 'Annotations' / f'{name}.xml' for name in names]
    for path in paths:
        path.write_text(content) if content is not None else path.unlink()
    return paths[0]


@pytest.fixture
def said(monkeypatch):
    """Log lines about annotations."""
    lines = []
    monkeypatch.setattr(xml_dataset, 'print_log', lambda text, *args: lines.append(text))
    return lines


@pytest.mark.parametrize('content', ['<annotation>', None, '<annotation><size/></annotation>'])
def test_a_broken_annotation_of_a_training_image_is_skipped_and_named(data, content, said):
    path = break_xml(data, 'train', 1, content)
    cfg = read_config(CONFIG, dict(data_root=str(data)))
    dataset = DATASETS.build({**cfg.train_dataloader.dataset, 'max_broken': 0.1})
    assert len(dataset) == 11 and len(said) == 1 and str(path) in said[0]


def test_a_broken_annotation_of_wider_face_is_skipped_in_training_and_an_error_in_testing(faces, said):
    cfg = read_config('ssd_plugin::pretrained/ssd_face_slim_320x240.py', dict(data_root=str(faces)))
    train, val = ({**cfg[f'{split}_dataloader'].dataset, 'max_broken': 0.1} for split in ('train', 'val'))
    assert len(DATASETS.build(train)) == 12 and len(DATASETS.build(val)) == 4 and not said
    broken = [next((faces / f'WIDER_{split}/Annotations').iterdir()) for split in ('train', 'val')]
    for path in broken:
        path.write_text(path.read_text().replace('<folder>0--Parade</folder>', ''))
    assert len(DATASETS.build(train)) == 11 and len(said) == 1 and str(broken[0]) in said[0]
    with pytest.raises(UnusableData, match=f'{broken[1]} cannot be read'):
        DATASETS.build(val)


def test_training_ends_if_too_many_annotations_are_broken(run_tool, data):
    path = break_xml(data, 'train', 3, '<annotation>')
    message = message_of(train(run_tool, data))
    assert (
        '3 of the 12 annotations' in message
        and str(path) in message
        and 'max_broken' in message
        and 'check_dataset.py' in message
    )


@pytest.mark.parametrize('content', ['<annotation>', None])
def test_a_broken_annotation_of_a_test_image_is_an_error(run_tool, data, content):
    path = break_xml(data, 'test', 1, content)
    assert str(path) in message_of(train(run_tool, data))


def test_objects_of_other_classes_are_counted(data):
    path = data / 'Annotations' / f'{(data / "ImageSets/Main/train.txt").read_text().split()[0]}.xml'
    path.write_text(path.read_text().replace('</annotation>', '<object><name>heart</name></object></annotation>'))
    cfg = read_config(CONFIG, dict(data_root=str(data)))
    assert DATASETS.build(cfg.train_dataloader.dataset).other_classes == {'heart': 1}


def test_a_dataset_without_objects_of_the_configured_classes_is_an_error(run_tool, data):
    for path in (data / 'Annotations').iterdir():
        path.write_text(path.read_text().replace('<name>', '<name>big '))
    assert 'metainfo.classes' in message_of(train(run_tool, data))


def test_a_missing_config_or_checkpoint_is_named(run_tool, data):
    assert 'nowhere.py' in message_of(run_tool('train.py', 'nowhere.py'))
    assert 'ssd300_voc.py' in message_of(run_tool('train.py', 'ssd_plugin::ssd299_voc.py'))
    assert 'nowhere.pth (--resume)' in message_of(
        run_tool('train.py', CONFIG, '--resume', 'nowhere.pth', '--cfg-options', f'data_root={data}')
    )
    assert 'nowhere.pth (checkpoint)' in message_of(
        run_tool('test.py', CONFIG, 'nowhere.pth', '--cfg-options', f'data_root={data}')
    )


def test_a_damaged_checkpoint_is_named(run_tool, data, tmp_path):
    path = tmp_path / 'iter_9.pth'
    torch.save(dict(state_dict=dict(weight=torch.zeros(1000))), path)
    path.write_bytes(path.read_bytes()[:2000])
    assert 'iter_9.pth is damaged' in message_of(
        run_tool('test.py', CONFIG, path, '--cfg-options', f'data_root={data}')
    )


def test_a_broken_coco_json_is_named(run_tool, data, shapes_checkpoint):
    (data / 'instances_test.json').write_text(json.dumps(dict(images=[]))[:-1])
    assert str(data / 'instances_test.json') in message_of(
        run_tool('test.py', CONFIG, shapes_checkpoint, '--cfg-options', f'data_root={data}')
    )


@pytest.mark.parametrize('kind, damaged', [('VOCDataset', 'xml'), ('CocoDataset', 'json')])
def test_a_broken_annotation_of_mmdetections_datasets_is_named_with_its_line(data, kind, damaged):
    """Their errors do not name the file."""
    cfg = read_config(CONFIG, dict(data_root=str(data)))
    split = 'train' if damaged == 'xml' else 'test'
    cfg.train_dataloader.dataset = {**cfg[f'{split}_dataloader'].dataset, 'type': kind, 'pipeline': []}
    cfg.train_dataloader.dataset.pop('augment', None)
    path = data / 'instances_test.json'
    if damaged == 'xml':
        path = data / 'Annotations' / f'{(data / "ImageSets/Main/train.txt").read_text().split()[0]}.xml'
    path.write_text('\n' + path.read_text()[:300])
    with pytest.raises(UserError, match=f'the annotation {path}:[0-9]+: not valid .*Restore it'), explained(cfg):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_a_parse_error_outside_the_known_formats_stays_as_it_is():
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type='CrowdHumanDataset'))))
    with pytest.raises(ET.ParseError), explained(cfg):
        ET.fromstring('<a>')


@pytest.mark.parametrize('status', [1, 2])
def test_a_user_error_ends_a_tool_with_one_line_and_its_status(status, capsys):
    def main():
        raise UserError('there is no folder x')

    with pytest.raises(SystemExit) as ended:
        exit_on_user_error(main, error_status=status)
    assert ended.value.code == status and capsys.readouterr().err == 'error: there is no folder x\n'


def test_a_tool_ends_with_the_status_of_its_main_function():
    exit_on_user_error(lambda: None)
    exit_on_user_error(lambda: 0)
    with pytest.raises(SystemExit) as ended:
        exit_on_user_error(lambda: 75)
    assert ended.value.code == 75


def test_a_failed_download_of_pretrained_weights_names_the_key_to_set():
    with pytest.raises(UserError, match='init_cfg.checkpoint=FILE'), explained(Config()):
        raise URLError('no route to host')


@pytest.mark.parametrize(
    'text',
    [
        '[/__w/gloo/transport/tcp/pair.cc:545] Read error [10.9.0.2]:63685: Connection reset by peer. This is '
        'typically caused by a remote worker',
        'Rank 0 successfully reached monitoredBarrier, but received errors\n'
        'Timed out waiting 600000ms for recv operation to complete',
        'NCCL communicator was aborted on rank 0.',
    ],
)
def test_a_lost_rank_is_an_error_with_a_remedy(text, monkeypatch):
    cfg = Config(dict(work_dir='runs'))
    monkeypatch.setenv('WORLD_SIZE', '2')
    monkeypatch.setenv('RANK', '0')
    with pytest.raises(UserError, match='rank 0 of 2 has lost another rank.*--resume'), explained(cfg):
        raise RuntimeError(text)
    # A run of one process has no rank to lose.
    monkeypatch.setenv('WORLD_SIZE', '1')
    with pytest.raises(RuntimeError, match='monitoredBarrier|pair.cc|aborted'), explained(cfg):
        raise RuntimeError(text)


def test_an_error_that_no_check_foresaw_is_one_line_whose_traceback_is_in_a_file(capsys):
    def main():
        raise KeyError('surprise')

    with pytest.raises(SystemExit) as ended:
        exit_on_user_error(main)
    line = capsys.readouterr().err
    path = re.fullmatch(r'error: KeyError: surprise. The traceback is in (.*)\n', line).group(1)
    text = Path(path).read_text()
    Path(path).unlink()
    assert ended.value.code == 1 and text.startswith('Traceback') and "KeyError: 'surprise'" in text


def test_in_a_tool_the_part_of_the_config_that_failed_is_named(data, monkeypatch):
    def fail(self, results):
        raise KeyError('surprise')

    monkeypatch.setattr(FusedSSDAugment, 'transform', fail)
    cfg = read_config(CONFIG, dict(data_root=str(data)))
    keys = 'train_dataloader.dataset.pipeline.2 or train_dataloader.dataset.augment'
    part = rf'{keys} \(FusedSSDAugment\): KeyError: surprise'
    with pytest.raises(UserError, match=f'^{part}. The traceback is in ') as raised, explained(cfg, in_tool=True):
        DATASETS.build(cfg.train_dataloader.dataset)[0]
    Path(str(raised.value).split()[-1]).unlink()
    # The message of an error in a worker is the traceback there.
    text = f'Caught KeyError.\nOriginal Traceback:\n  File "{fused_ssd_augment.__file__}", line 9\nKeyError: surprise\n'
    with pytest.raises(UserError, match=f'^{part}') as raised, explained(cfg, in_tool=True):
        raise RuntimeError(text)
    Path(str(raised.value).split()[-1]).unlink()


def test_a_full_disk_is_one_line(capsys):
    def main():
        raise OSError(errno.ENOSPC, 'No space left on device', 'run/iter_9.pth')

    with pytest.raises(SystemExit):
        exit_on_user_error(main)
    assert capsys.readouterr().err == 'error: run/iter_9.pth: No space left on device\n'


@pytest.mark.parametrize(
    'name, content, problem',
    [
        ('photo.py', b'\xff\xd8\xff\xe0', 'cannot be read: '),
        ('notes.txt', b'hello', 'cannot be read: '),
        ('raises.py', b'1 / 0', 'cannot be read: ZeroDivisionError: division by zero'),
        ('empty.py', b'', 'has no model'),
        ('folder.py', None, 'cannot be read: '),
    ],
)
def test_what_is_no_config_is_an_error_that_names_it(name, content, problem, run_tool, tmp_path):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    message = message_of(run_tool('train.py', path))
    assert str(path) in message and problem in message


def test_a_missing_config_names_similar_ones(run_tool, tmp_path):
    (tmp_path / 'my_cells.py').write_text('')
    assert 'did you mean my_cells.py?' in message_of(run_tool('train.py', 'my_cell.py'))
    assert 'ssd_plugin::bccd/ssd_depthwise_bccd.py' in message_of(run_tool('train.py', 'ssd_depthwise_bcd.py'))
    assert 'ssd300_voc.py' in message_of(run_tool('train.py', 'ssd_plugin::ssd300_vok.py'))


@pytest.mark.parametrize(
    'folder, reason',
    [('/proc/foo', 'No such file or directory'), ('file', 'it is a file'), ('file/run', 'Not a direc')],
)
def test_a_work_dir_that_cannot_be_written_to_is_named_before_anything_is_built(
    folder, reason, run_tool, data, tmp_path
):
    (tmp_path / 'file').write_text('')
    result = run_tool('train.py', CONFIG, '--work-dir', folder, '--cfg-options', f'data_root={data}', *QUICK)
    message = message_of(result)
    assert f'nothing can be written to the folder {folder} (work_dir): {reason}' in message
    assert 'mmengine' not in result.stdout and {path.name for path in tmp_path.iterdir()} == {'data', 'file'}
