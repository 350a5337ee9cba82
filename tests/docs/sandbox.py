"""A folder in which the commands and configs of the documentation find the files that they name."""

import json
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

from ssd_plugin.engine.optimizers.nonfinite_batch import NonfiniteBatch
from ssd_plugin.prepare.drawn_shapes import CLASSES
from ssd_plugin.prepare.tutorial_lists import write_lists
from tests.docs.blocks import OWN_DATA
from tests.interop.parity import foreign_state
from tests.support import ROOT, config

# What stands for something else, by the text that it is replaced by.
PLACEHOLDERS = {
    'CONFIG': 'configs/bccd/ssd_depthwise_bccd.py',
    'CHECKPOINT': 'work_dirs/ssd300_voc/iter_120000.pth',
    'BCCD': 'data/bccd',
    'FOLDER': 'data/VOCdevkit',
    'FILE': 'work_dirs/ssd300_voc/iter_120000.pth',
    'SOURCE': 'ssd300_vgg16_coco-b556d3b4.pth',
    'TARGET': 'target.pth',
    'NAME': 'bccd_baseline.py',
    'SEED': '1',
    'PARTITION': 'partition',
    'JOB': 'job',
    'WORK_DIR': 'work_dirs/run',
}
VOC_NAMES = ('cat', 'dog', 'person', 'car')
# The first ones of COCO.
COCO_NAMES = ('person', 'bicycle', 'car', 'motorcycle')


def put_voc(shapes: Path, target: Path, names: tuple[str, ...], train: str = 'trainval') -> None:
    """Copy the drawn dataset with other names for its classes and for the list of training images."""
    shutil.copytree(shapes, target)
    (target / 'ImageSets/Main/train.txt').rename(target / f'ImageSets/Main/{train}.txt')
    for path in (target / 'Annotations').iterdir():
        text = path.read_text()
        for index, name in enumerate(CLASSES):
            text = text.replace(f'<name>{name}</name>', f'<name>{names[index % len(names)]}</name>')
        path.write_text(text)


def coco_json(path: Path, names: tuple[str, ...]) -> str:
    """Return a drawn COCO annotation with other names for its classes, of which there may be fewer."""
    content = json.loads(path.read_text())
    first = min(category['id'] for category in content['categories'])
    content['categories'] = [dict(id=first + index, name=name) for index, name in enumerate(names)]
    for annotation in content['annotations']:
        annotation['category_id'] = first + (annotation['category_id'] - first) % len(names)
    return json.dumps(content)


def put_data(shapes: Path, data: Path) -> None:
    """Write small datasets where the configs and commands expect the large ones."""
    for year in (2007, 2012):
        put_voc(shapes, data / f'VOCdevkit/VOC{year}', VOC_NAMES)
    put_voc(shapes, data / 'bccd', ('RBC', 'WBC', 'Platelets'))
    put_voc(shapes, data / 'pets', ('cat', 'dog'))
    # Two classes, as JSON files beside the XML files of the same images.
    for split, source in (('train', 'train'), ('val', 'test')):
        shutil.copytree(shapes / 'JPEGImages', data / f'pets/{split}')
        (data / f'pets/{split}.json').write_text(coco_json(shapes / f'instances_{source}.json', ('cat', 'dog')))
    for split, source in (('train', 'train'), ('val', 'test')):
        shutil.copytree(shapes / 'JPEGImages', data / f'coco/{split}2017')
        annotation = data / f'coco/annotations/instances_{split}2017.json'
        annotation.parent.mkdir(exist_ok=True)
        annotation.write_text(coco_json(shapes / f'instances_{source}.json', COCO_NAMES))


def write_own_config(shapes: Path, target: Path) -> None:
    """Write the config for a dataset of one's own."""
    target.write_text(OWN_DATA.replace('/data/', f'{target.parent}/data/'))


def put_tutorial_lists(shapes: Path, target: Path) -> None:
    """Write the PyTorch tutorial's lists of a dataset with two classes."""
    write_lists([target.parent / 'pets'], target, ['cat', 'dog'])


def put_without_lists(shapes: Path, target: Path) -> None:
    """Copy the drawn dataset as BCCD without its lists."""
    put_voc(shapes, target, ('RBC', 'WBC', 'Platelets'))
    shutil.rmtree(target / 'ImageSets')


@cache
def _detector(name: str) -> nn.Module:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = config(name).model
    model.backbone.init_cfg = None
    return MODELS.build(model)


def save_ssd300(shapes: Path, target: Path) -> None:
    """Save a checkpoint of SSD300 with random weights."""
    classes = config('ssd300_voc.py').test_dataloader.dataset.metainfo.classes
    state = _detector('ssd300_voc.py').state_dict()
    torch.save(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=classes))), target)


def save_nonfinite_batch(shapes: Path, target: Path) -> None:
    """Save a batch as training keeps it."""
    name = 'demo/ssd_depthwise_shapes.py'
    sample = dict(bboxes=torch.tensor([[10.0, 10.0, 90.0, 120.0]]), labels=torch.tensor([1]))
    NonfiniteBatch(
        config=config(name).pretty_text,
        iteration=1234,
        losses=dict(loss=float('nan')),
        inputs=[torch.full((3, 240, 320), float('nan'))],
        samples=[dict(sample, metainfo=dict(img_path='a.jpg', img_shape=(240, 320)))],
        state_dict=_detector(name).state_dict(),
    ).write(target)


def save_whole_model(shapes: Path, target: Path) -> None:
    """Pickle a model of the PyTorch tutorial as a whole, as it was published."""
    model = nn.Module()
    for name, value in foreign_state('tutorial').items():
        module = model
        *parents, last = name.split('.')
        for part in parents:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        module.register_parameter(last, nn.Parameter(value))
    torch.save(dict(epoch=231, model=model), target)


def write_log(work_dir: Path) -> None:
    """Write the log of a run with two iterations and a validation."""
    (work_dir / '20261122_000000/vis_data').mkdir(parents=True)
    lines = [dict(iter=n, step=n, lr=0.1, loss=2.0 - n / 10) for n in (1, 2)] + [{'step': 2, 'pascal_voc/mAP': 0.5}]
    (work_dir / '20261122_000000/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))


def copy_images(shapes: Path, target: Path) -> None:
    """Write an image, or a folder with one."""
    if not target.suffix:
        target.mkdir()
    shutil.copy(shapes / 'JPEGImages/000001.jpg', target)


# Files and folders that commands name, and how they are made. A cached file is made once in a process.
MADE: dict[str, Callable[[Path, Path], None]] = {
    'photo.jpg': copy_images,
    'folder': copy_images,
    'my_data.py': write_own_config,
    'path/to/data': put_without_lists,
    'path/to/bccd': lambda shapes, target: put_voc(shapes, target, ('RBC', 'WBC', 'Platelets')),
    # As an input, it is written with a slash at its end.
    'data/tutorial/': put_tutorial_lists,
    'work_dirs/ssd300_voc/nonfinite_iter_1234.pth': save_nonfinite_batch,
}
CACHED: dict[str, Callable[[Path, Path], None]] = {
    'work_dirs/ssd300_voc/iter_120000.pth': save_ssd300,
    'checkpoint_ssd300.pth.tar': save_whole_model,
    'ssd300_vgg16_coco-b556d3b4.pth': lambda shapes, target: torch.save(foreign_state('torchvision-ssd300'), target),
    'version-slim-320.pth': lambda shapes, target: torch.save(foreign_state('face-slim'), target),
    'mine.pth': lambda shapes, target: torch.save(foreign_state('tutorial', model__bbox_head__num_classes=2), target),
}


class Sandbox:
    """A folder with links to ``configs`` and ``tools``, small datasets in ``data``, and the files that code names.

    Args:
        folder: An empty folder.
        shapes: The drawn dataset.
        prepared: Folder of :func:`put_data`.
        cache: Folder for files that take long to make.
    """

    def __init__(self, folder: Path, shapes: Path, prepared: Path, cache: Path) -> None:
        self.folder, self.shapes, self.cache = folder, shapes, cache
        for name in ('configs', 'tools'):
            (folder / name).symlink_to(ROOT / name)
        shutil.copytree(prepared, folder / 'data', copy_function=os.link)
        write_log(folder / 'work_dirs/ssd300_voc')

    def adapt(self, code: str) -> str:
        """Return code with this folder's paths; the files that it names are made."""
        code = re.sub(r'(?<![\w.])/(?=path/to/|data/)', f'{self.folder}/', code)
        for name in (*MADE, *CACHED):
            if re.search(rf'(?<![\w-]){re.escape(name)}(?![\w-])', code):
                self._make(name)
        return code

    def filled(self, code: str) -> str:
        """Return code without placeholders, and adapted.

        Raises:
            AssertionError: A placeholder is unknown.
        """
        return self.adapt(re.sub(r'(?<![\w\'"-])[A-Z][A-Z_]{2,}(?![\w=(\'"])', self._stands_for, code))

    def _stands_for(self, found: re.Match) -> str:
        assert found[0] in PLACEHOLDERS, f'tests/docs/sandbox.py does not say what {found[0]} stands for'
        return PLACEHOLDERS[found[0]]

    def _make(self, name: str) -> None:
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            return
        if name in MADE:
            MADE[name](self.shapes, target)
            return
        source = self.cache / Path(name).name
        if not source.exists():
            CACHED[name](self.shapes, source)
        target.symlink_to(source)
