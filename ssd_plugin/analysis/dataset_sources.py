"""The annotations that a folder holds or a config uses, in any of the known formats."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmdet.datasets import CocoDataset, WIDERFaceDataset, XMLDataset
from mmdet.registry import DATASETS
from mmengine.config import Config

from ssd_plugin.configs import datasets_of_splits
from ssd_plugin.datasets.annotations import coco, tutorial_lists, voc, wider_face, yolo
from ssd_plugin.datasets.annotations.records import LEAK, Annotations, Issue, Roles
from ssd_plugin.datasets.folders import describe
from ssd_plugin.datasets.tutorial_lists import JsonListsDataset
from ssd_plugin.datasets.yolo import YOLODataset
from ssd_plugin.errors import UserError

FORMATS = 'VOC, COCO, YOLO, WIDER FACE and the PyTorch tutorial'
# Options of datasets, and the arguments of their readers.
VOC_OPTIONS = dict(ann_subdir='annotations', img_subdir='images', first_pixel='first_pixel', scale_boxes='scales')
YOLO_OPTIONS = dict(names_file='names_file', keypoints='keypoints')


def of_path(
    path: Path,
    images: Path | None = None,
    classes: tuple[str, ...] | None = None,
    kind: str | None = None,
    described: Path | None = None,
    class_attribute: str | None = None,
    log: Callable[[str], object] = print,
) -> Iterator[tuple[Path, Annotations]]:
    """Read the annotations of a folder, or one JSON file.

    Of a folder in the layout of VOC, COCO, WIDER FACE or the PyTorch tutorial everything is read, and of any other
    what :func:`~ssd_plugin.datasets.folders.describe` finds in it.

    Args:
        path: The folder or file. A folder may hold several of VOC's years.
        images: Folder of the images, ``None`` to look for them.
        classes: Names of the known classes, ``None`` to accept all that occur.
        kind: Key of the format, ``None`` to tell it by content.
        described: File or folder of the annotations in the folder, ``None`` to look for them.
        class_attribute: The attribute with the class, for formats whose objects have several.
        log: Receives lines about what a folder of another layout holds.

    Yields:
        Path and annotations of each dataset.

    Raises:
        UserError: There is none.
    """
    is_file = path.suffix == '.json' and not path.is_dir()
    if kind or described or class_attribute or not (is_file or _is_usual(path)):
        found = describe(path, kind, described, images, class_attribute)
        for line in (str(found), *found.notes):
            log(line)
        for source, annotations in found.sources:
            annotations.classes = classes or annotations.classes
            yield source, annotations
        return
    folders = sorted(folder for folder in path.glob('*') if folder.is_dir())
    has_faces = any(folder.name in ('WIDER_train', 'WIDER_val') for folder in folders)
    # The Annotations inside WIDER_train are not a dataset of their own.
    roots = [folder for folder in ([path] if has_faces else [path, *folders]) if (folder / 'Annotations').is_dir()]
    files = [path] if is_file else _json_files(path)
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


def _json_files(path: Path) -> list[Path]:
    """Return the JSON files at the usual places of a folder."""
    return sorted({*path.glob('*.json'), *path.glob('annotations/instances_*.json')})


def _is_usual(path: Path) -> bool:
    """Return whether a folder has one of the layouts all of whose datasets are read."""
    if any((path / name).is_dir() for name in ('WIDER_train', 'WIDER_val')):
        return True
    roots = [root for root in (path, *path.glob('*')) if (root / 'Annotations').is_dir()]
    own = [root for root in roots if (root / 'JPEGImages').is_dir()]
    # Other tools name the lists otherwise.
    named = [root for root in own if (root / 'ImageSets/Main').is_dir()]
    if own and own == roots and all(any(voc.list_of(r, split).exists() for split in voc.SPLITS) for r in named):
        return True
    return not roots and bool(_json_files(path)) and all(map(_is_usual_json, _json_files(path)))


def _is_usual_json(path: Path) -> bool:
    """Return whether a JSON file names itself as COCO's instances, or as one of the lists of the tutorial."""
    ends = (tutorial_lists.IMAGES, tutorial_lists.OBJECTS, tutorial_lists.LABELS)
    return path.name.startswith('instances_') or path.name.endswith(ends)


def of_config(cfg: Config) -> Iterator[tuple[Path, Annotations]]:
    """Read the datasets that a config trains, validates and tests with, each once.

    Of a folder in VOC's layout, the lists are read that the config names, and the usual ones.

    Yields:
        Path and annotations of each dataset.

    Raises:
        UserError: One is in none of the known formats.
    """
    # Datasets with the same path are splits of one.
    sources: dict[Path, list[_Source]] = defaultdict(list)
    for key, dataset in datasets_of_splits(cfg):
        source = _source(key, dataset)
        sources[source.path].append(source)
    for path, splits in sources.items():
        read = splits[0].read
        if splits[0].takes_lists:
            read = partial(read, lists={source.split: source.ann_file for source in splits})
        annotations = read(path, classes=_classes(splits[0].dataset))
        trained = frozenset(source.split for source in splits if source.key.startswith('train'))
        evaluated = frozenset(source.split for source in splits if not source.key.startswith('train'))
        annotations.configured = Roles(trained, evaluated)
        annotations.issues += [
            Issue(LEAK, str(path), f'the config trains and evaluates on the same split, {split}')
            for split in sorted(trained & evaluated)
        ]
        yield path, annotations


class _Source(NamedTuple):
    """A dataset of a config, which may be one of several splits at the same path.

    Attributes:
        key: Config key.
        dataset: Its config.
        path: Folder or file with the dataset.
        ann_file: Its annotation file or list of images.
        split: Name of the split in the annotations.
        read: Reads the annotations at the path.
        takes_lists: Whether ``read`` takes the lists of all splits at the path.
    """

    key: str
    dataset: dict
    path: Path
    ann_file: Path
    split: str
    read: Callable[..., Annotations]
    takes_lists: bool = False


def _source(key: str, dataset: dict) -> _Source:
    """Return where a configured dataset is, and the function that reads it."""
    kind = DATASETS.get(dataset['type'])
    root, prefix = Path(dataset.get('data_root') or ''), dataset.get('data_prefix') or {}
    file = root / (dataset.get('ann_file') or '')
    if issubclass(kind, CocoDataset):
        read = partial(coco.read, folder=root / prefix.get('img', ''))
        return _Source(key, dataset, file, file, file.stem, read)
    if issubclass(kind, WIDERFaceDataset):
        return _Source(key, dataset, root, file, file.stem, wider_face.read)
    if issubclass(kind, XMLDataset):
        path = root / prefix.get('sub_data_root', '')
        is_usual = voc.list_of(path, file.stem) == file
        read = partial(voc.read, **_options(dataset, VOC_OPTIONS))
        return _Source(key, dataset, path, file, file.stem if is_usual else str(file), read, takes_lists=True)
    if issubclass(kind, YOLODataset):
        read = partial(yolo.read_lists, **_options(dataset, YOLO_OPTIONS))
        return _Source(key, dataset, root, file, str(file), read, takes_lists=True)
    if issubclass(kind, JsonListsDataset):
        folder = root / prefix['img'] if 'img' in prefix else None
        split = file.name.removesuffix(tutorial_lists.IMAGES)
        return _Source(key, dataset, file, file, split, partial(tutorial_lists.read, folder=folder))
    raise UserError(f'{key} is a {dataset["type"]}; the layouts of {FORMATS} can be checked')


def _options(dataset: dict, names: Mapping[str, str]) -> dict[str, Any]:
    """Return the options of a dataset's config that its reader takes, under the names that the reader has for them."""
    return {names[key]: dataset[key] for key in names if dataset.get(key) is not None}


def classes_of(cfg: Config) -> tuple[str, ...] | None:
    """Return the names of the classes that a config trains, ``None`` if it does not name them."""
    return _classes(next(datasets_of_splits(cfg, ('train',)))[1])


def _classes(dataset: dict) -> tuple[str, ...] | None:
    classes = (dataset.get('metainfo') or {}).get('classes') or DATASETS.get(dataset['type']).METAINFO.get('classes')
    return tuple(classes) if classes else None
