"""YOLO's text files in the layouts of several tools."""

import json
from pathlib import Path

from tests.sample_folders.samples import CLASSES, SAMPLES, Sample, write_image, write_text

NAMES = ', '.join(f"'{name}'" for name in CLASSES)


def label_text(sample: Sample) -> str:
    """Return the content of the label file of a sample."""
    width, height = sample.size
    lines = []
    for name, (x1, y1, x2, y2) in sample.boxes:
        numbers = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height
        lines.append(' '.join([str(CLASSES.index(name)), *(f'{number:.6f}' for number in numbers)]))
    return ''.join(f'{line}\n' for line in lines)


def ultralytics(root: Path) -> None:
    """``images/train`` and ``labels/train``; no label file where there is no object; ``names`` is a mapping."""
    for sample in SAMPLES:
        write_image(root / f'images/{sample.split}/{sample.name}.jpg', sample)
        if sample.boxes:
            write_text(root / f'labels/{sample.split}/{sample.name}.txt', label_text(sample))
    names = ''.join(f'  {number}: {name}\n' for number, name in enumerate(CLASSES))
    write_text(
        root / 'data.yaml', f'path: /home/me/datasets/mine\ntrain: images/train\nval: images/val\nnames:\n{names}'
    )


def roboflow(root: Path) -> None:
    """``../train/images``, ``valid``, and empty label files."""
    for sample in SAMPLES:
        folder = root / {'train': 'train', 'val': 'valid'}[sample.split]
        write_image(folder / f'images/{sample.name}.jpg', sample)
        write_text(folder / f'labels/{sample.name}.txt', label_text(sample))
    yaml = f'train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 3\nnames: [{NAMES}]\n'
    write_text(root / 'data.yaml', yaml)
    write_text(root / 'README.roboflow.txt', 'https://universe.roboflow.com\n')


def windows(root: Path) -> None:
    """Roboflow's folders by absolute paths of Windows, with CRLF and a byte order mark."""
    roboflow(root)
    lines = [
        r'train: C:\Users\me\mine\train\images',
        r'val: C:\Users\me\mine\valid\images',
        'nc: 3',
        f'names: [{NAMES}]',
    ]
    (root / 'data.yaml').write_bytes(b'\xef\xbb\xbf' + '\r\n'.join(lines).encode())
    for path in root.rglob('labels/*.txt'):
        path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes().replace(b'\n', b'\r\n'))


def cvat(root: Path) -> None:
    """``obj.data``, and lists that name a folder ``data`` which is not there."""
    lists: dict[str, list[str]] = {'train': [], 'val': []}
    for sample in SAMPLES:
        folder = dict(train='obj_train_data', val='obj_valid_data')[sample.split]
        write_image(root / f'{folder}/{sample.name}.PNG', sample)
        write_text(root / f'{folder}/{sample.name}.txt', label_text(sample))
        lists[sample.split].append(f'data/{folder}/{sample.name}.PNG\n')
    write_text(root / 'train.txt', ''.join(lists['train']))
    write_text(root / 'valid.txt', ''.join(lists['val']))
    write_text(root / 'obj.names', ''.join(f'{name}\n' for name in CLASSES))
    keys = 'classes = 3\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\nbackup = backup/\n'
    write_text(root / 'obj.data', keys)


def labelimg(root: Path) -> None:
    """Label files and ``classes.txt`` beside the images."""
    for sample in SAMPLES:
        write_image(root / f'{sample.name}.jpg', sample)
        if sample.boxes:
            write_text(root / f'{sample.name}.txt', label_text(sample))
    write_text(root / 'classes.txt', ''.join(f'{name}\n' for name in CLASSES))


def label_studio(root: Path) -> None:
    """``images``, ``labels``, ``classes.txt`` and ``notes.json``."""
    for sample in SAMPLES:
        write_image(root / f'images/{sample.name}.jpg', sample)
        write_text(root / f'labels/{sample.name}.txt', label_text(sample))
    write_text(root / 'classes.txt', '\n'.join(CLASSES))
    categories = [dict(id=number, name=name) for number, name in enumerate(CLASSES)]
    write_text(root / 'notes.json', json.dumps(dict(categories=categories, info=dict(version='1.0'))))


LAYOUTS = (ultralytics, roboflow, windows, cvat, labelimg, label_studio)
