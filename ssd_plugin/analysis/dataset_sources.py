"""Which annotations there are, in a folder or in a config."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from mmdet.datasets import WIDERFaceDataset
from mmdet.registry import DATASETS
from mmengine.config import Config

from ssd_plugin.configs import datasets_of_splits
from ssd_plugin.datasets.annotations import coco, tutorial_lists, voc
from ssd_plugin.datasets.annotations.records import Annotations
from ssd_plugin.datasets.tutorial_lists import JsonListsDataset


class UnknownLayout(Exception):
    """Nothing that can be read; the message says what was looked for."""


def of_path(
    path: Path, images: Path | None = None, classes: tuple[str, ...] | None = None
) -> Iterator[tuple[Path, Annotations]]:
    """(name, annotations) of everything in a folder in the layout of VOC, COCO, WIDER FACE or the PyTorch tutorial, or of one JSON file.

    Args:
        path: of the folder or file; a folder may hold several of VOC's years.
        images: folder of a JSON file's images, when it is not one of the usual.
        classes: known ones; ``None`` for all that occur.

    Raises:
        UnknownLayout: there is nothing of the kind.
    """
    folders = sorted(folder for folder in path.glob('*') if folder.is_dir())
    faces = any(folder.name in ('WIDER_train', 'WIDER_val') for folder in folders)
    roots = [
        folder for folder in (path, *folders) if (folder / 'Annotations').is_dir() and not (faces and folder != path)
    ]
    files = (
        [path] if path.suffix == '.json' else sorted({*path.glob('*.json'), *path.glob('annotations/instances_*.json')})
    )
    lists = [
        file
        for file in files
        if file.name.endswith(tutorial_lists.IMAGES) and tutorial_lists.objects_of(file).is_file()
    ]
    beside = {file.with_name(tutorial_lists.LABELS) for file in lists} | {
        tutorial_lists.objects_of(file) for file in lists
    }
    if not roots and not files and not faces:
        raise UnknownLayout(
            f'{path} holds no data set: there is neither a folder Annotations (VOC) nor a JSON file (COCO, also in '
            'annotations/instances_*.json), nor WIDER_train or WIDER_val (WIDER FACE)'
        )
    for root in roots:
        yield root, voc.read(root, classes)
    if faces:
        yield path, voc.read(path, classes, voc.wider_face)
    for file in files:
        if file in lists:
            yield file, tutorial_lists.read(file, images, classes)
        elif file not in beside:
            yield file, coco.read(file, images, classes)


def of_config(cfg: Config) -> Iterator[tuple[Path, Annotations]]:
    """(name, annotations) of the data sets that a config trains, validates and tests with, each once.

    Raises:
        UnknownLayout: one is in none of the formats.
    """
    seen = set()
    for key, dataset in datasets_of_splits(cfg):
        root, prefix = Path(dataset.get('data_root') or ''), dataset.get('data_prefix') or {}
        if hasattr(DATASETS.get(dataset['type']), 'COCOAPI'):
            name, read = root / dataset['ann_file'], partial(coco.read, folder=root / prefix.get('img', ''))
        elif 'sub_data_root' in prefix:
            name, read = root / prefix['sub_data_root'], voc.read
        elif issubclass(DATASETS.get(dataset['type']), WIDERFaceDataset):
            name, read = root, partial(voc.read, layout=voc.wider_face)
        elif issubclass(DATASETS.get(dataset['type']), JsonListsDataset):
            folder = root / prefix['img'] if 'img' in prefix else None
            name, read = root / dataset['ann_file'], partial(tutorial_lists.read, folder=folder)
        else:
            raise UnknownLayout(
                f'{key} is a {dataset["type"]}; the layouts of VOC, COCO, WIDER FACE and the PyTorch tutorial can be '
                'checked'
            )
        if name not in seen:
            seen.add(name)
            yield name, read(name, classes=_classes(dataset))


def classes_of(cfg: Config) -> tuple[str, ...] | None:
    """Names of the classes that a config trains, if it says them."""
    return _classes(next(datasets_of_splits(cfg, ('train',)))[1])


def _classes(dataset: dict) -> tuple[str, ...] | None:
    classes = (dataset.get('metainfo') or {}).get('classes') or DATASETS.get(dataset['type']).METAINFO.get('classes')
    return classes and tuple(classes)
