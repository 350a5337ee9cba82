"""The annotations that a folder holds or a config uses, in any of the known formats."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mmdet.datasets import CocoDataset, WIDERFaceDataset, XMLDataset
from mmdet.registry import DATASETS
from mmengine.config import Config

from ssd_plugin.configs import datasets_of_splits
from ssd_plugin.datasets.annotations import coco, tutorial_lists, voc, wider_face
from ssd_plugin.datasets.annotations.records import Annotations
from ssd_plugin.datasets.tutorial_lists import JsonListsDataset
from ssd_plugin.errors import UserError

FORMATS = 'VOC, COCO, WIDER FACE and the PyTorch tutorial'


def of_path(
    path: Path, images: Path | None = None, classes: tuple[str, ...] | None = None
) -> Iterator[tuple[Path, Annotations]]:
    """Read everything in a folder in the layout of VOC, COCO, WIDER FACE or the PyTorch tutorial, or one JSON file.

    Args:
        path: The folder or file. A folder may hold several of VOC's years.
        images: Image folder of a JSON file, ``None`` for the usual ones.
        classes: Names of the known classes, ``None`` to accept all that occur.

    Yields:
        Path and annotations of each dataset.

    Raises:
        UserError: There is none.
    """
    folders = sorted(folder for folder in path.glob('*') if folder.is_dir())
    has_faces = any(folder.name in ('WIDER_train', 'WIDER_val') for folder in folders)
    # The Annotations inside WIDER_train are not a dataset of their own.
    roots = [folder for folder in ([path] if has_faces else [path, *folders]) if (folder / 'Annotations').is_dir()]
    if path.suffix == '.json':
        files = [path]
    else:
        files = sorted({*path.glob('*.json'), *path.glob('annotations/instances_*.json')})
    if not roots and not files and not has_faces:
        raise UserError(
            f'{path} holds no dataset: there is neither a folder Annotations (VOC) nor a JSON file (COCO, also in '
            'annotations/instances_*.json), nor WIDER_train or WIDER_val (WIDER FACE)'
        )
    for root in roots:
        yield root, voc.read(root, classes)
    if has_faces:
        yield path, wider_face.read(path, classes)
    lists = {
        file
        for file in files
        if file.name.endswith(tutorial_lists.IMAGES) and tutorial_lists.objects_file(file).is_file()
    }
    parts_of_lists = {file.with_name(tutorial_lists.LABELS) for file in lists} | {
        tutorial_lists.objects_file(file) for file in lists
    }
    for file in files:
        if file in lists:
            yield file, tutorial_lists.read(file, images, classes)
        elif file not in parts_of_lists:
            yield file, coco.read(file, images, classes)


def of_config(cfg: Config) -> Iterator[tuple[Path, Annotations]]:
    """Read the datasets that a config trains, validates and tests with, each once.

    Yields:
        Path and annotations of each dataset.

    Raises:
        UserError: One is in none of the known formats.
    """
    seen = set()
    for key, dataset in datasets_of_splits(cfg):
        path, read = _reader(key, dataset)
        if path not in seen:
            seen.add(path)
            yield path, read(path, classes=_classes(dataset))


def _reader(key: str, dataset: dict) -> tuple[Path, Callable[..., Annotations]]:
    """Return the path of a configured dataset, and the function that reads it."""
    kind = DATASETS.get(dataset['type'])
    root, prefix = Path(dataset.get('data_root') or ''), dataset.get('data_prefix') or {}
    if issubclass(kind, CocoDataset):
        return root / dataset['ann_file'], partial(coco.read, folder=root / prefix.get('img', ''))
    if issubclass(kind, WIDERFaceDataset):
        return root, wider_face.read
    if issubclass(kind, XMLDataset):
        return root / prefix.get('sub_data_root', ''), voc.read
    if issubclass(kind, JsonListsDataset):
        folder = root / prefix['img'] if 'img' in prefix else None
        return root / dataset['ann_file'], partial(tutorial_lists.read, folder=folder)
    raise UserError(f'{key} is a {dataset["type"]}; the layouts of {FORMATS} can be checked')


def classes_of(cfg: Config) -> tuple[str, ...] | None:
    """Return the names of the classes that a config trains, ``None`` if it does not name them."""
    return _classes(next(datasets_of_splits(cfg, ('train',)))[1])


def _classes(dataset: dict) -> tuple[str, ...] | None:
    classes = (dataset.get('metainfo') or {}).get('classes') or DATASETS.get(dataset['type']).METAINFO.get('classes')
    return tuple(classes) if classes else None
