"""Check before a run that the folders and files of its data exist."""

import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ssd_plugin.configs import datasets_of_splits
from ssd_plugin.datasets.annotations import voc
from ssd_plugin.errors import UserError
from ssd_plugin.files import is_local

DATA_REMEDY = 'Set the folder with --cfg-options data_root=FOLDER, or get VOC and COCO with tools/prepare_data.py.'


def _list_remedy(cfg: Config, key: str, missing: Path) -> str | None:
    """Return what to do about a missing list of a folder in VOC's layout; ``None`` for anything else.

    Args:
        cfg: Complete config.
        key: Config key of the dataset that names the list.
        missing: The list.
    """
    root = missing.parent.parent.parent
    if missing != voc.list_of(root, missing.stem) or not (root / 'Annotations').is_dir():
        return None
    others = ', '.join(sorted(path.name for path in missing.parent.glob('*.txt')))
    if others:
        return f'Set {key}.ann_file to one of the lists in its folder: {others}'
    train, test = (
        next((Path(dataset.get('ann_file') or '').stem for _, dataset in datasets_of_splits(cfg, splits)), name)
        for splits, name in ((('train',), 'trainval'), (('val', 'test'), 'test'))
    )
    return f'{root} has no lists of images: {voc.split_remedy(root, train, test)}'


def check_data_paths(cfg: Config, splits: Sequence[str]) -> None:
    """Check that the folders and annotation files that a config names exist.

    Args:
        cfg: Complete config.
        splits: Splits to check, from ``'train'``, ``'val'`` and ``'test'``.

    Raises:
        UserError: One is missing; the message names the first, its config key and a remedy.
    """
    for key, dataset in datasets_of_splits(cfg, splits):
        root = dataset.get('data_root') or ''
        if root and is_local(root) and not os.path.isdir(root):
            raise UserError(f'the dataset is missing: there is no folder {root} ({key}.data_root). {DATA_REMEDY}')
        paths = [('ann_file', dataset.get('ann_file') or '')]
        paths += [(f'data_prefix.{name}', prefix) for name, prefix in (dataset.get('data_prefix') or {}).items()]
        for name, value in paths:
            path = os.path.join(root, value) if isinstance(value, str) else ''
            if path and is_local(path) and not os.path.exists(path):
                what = 'annotation file' if name == 'ann_file' else 'folder'
                remedy = (name == 'ann_file' and _list_remedy(cfg, key, Path(path))) or DATA_REMEDY
                raise UserError(f'the {what} {path} is missing ({key}.{name}={value!r}). {remedy}')
    for split in set(splits) & {'val', 'test'}:
        evaluators = cfg.get(f'{split}_evaluator') or []
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            path = evaluator.get('ann_file')
            if path and is_local(path) and not os.path.exists(path):
                raise UserError(f'the annotation file {path} is missing ({split}_evaluator.ann_file). {DATA_REMEDY}')
