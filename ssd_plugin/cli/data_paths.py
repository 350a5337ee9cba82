"""Check before a run that the folders and files of its data exist."""

import os

from mmengine.config import Config

from ssd_plugin.configs import configured_datasets
from ssd_plugin.errors import UserError
from ssd_plugin.files import is_local

DATA_REMEDY = 'Set the folder with --cfg-options data_root=FOLDER, or get VOC and COCO with tools/prepare_data.py.'


def check_data_paths(cfg: Config, splits: tuple[str, ...]) -> None:
    """The folders and annotation files that the config names must exist.

    Args:
        cfg: a whole config.
        splits: of ``'train'``, ``'val'``, ``'test'``.

    Raises:
        UserError: the first that does not, with its key and what to do.
    """
    for key, dataset in configured_datasets(cfg, splits):
        root = dataset.get('data_root') or ''
        if root and is_local(root) and not os.path.isdir(root):
            raise UserError(f'the data set is missing: there is no folder {root} ({key}.data_root). {DATA_REMEDY}')
        paths = [('ann_file', dataset.get('ann_file') or '')]
        paths += [(f'data_prefix.{name}', prefix) for name, prefix in (dataset.get('data_prefix') or {}).items()]
        for name, value in paths:
            path = os.path.join(root, value) if isinstance(value, str) else ''
            if path and is_local(path) and not os.path.exists(path):
                what = 'annotation file' if name == 'ann_file' else 'folder'
                raise UserError(f'the {what} {path} is missing ({key}.{name}={value!r}). {DATA_REMEDY}')
    for split in set(splits) & {'val', 'test'}:
        evaluators = cfg.get(f'{split}_evaluator') or []
        for evaluator in evaluators if isinstance(evaluators, list) else [evaluators]:
            path = evaluator.get('ann_file')
            if path and is_local(path) and not os.path.exists(path):
                raise UserError(f'the annotation file {path} is missing ({split}_evaluator.ann_file). {DATA_REMEDY}')
