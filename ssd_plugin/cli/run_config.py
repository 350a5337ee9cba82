"""The config of a run: as the command line changes it, with its data checked, and where it resumes from."""

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config

from ssd_plugin.configs import read_config
from ssd_plugin.engine.checkpointing.checkpoint_integrity import newest_whole, why_not_whole
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint

from .data_paths import check_data_paths


def load_config(args: argparse.Namespace, splits: tuple[str, ...]) -> Config:
    """The config of a run, as the command line changes it, with its data checked.

    Args:
        args: of a parser with :func:`add_run_arguments` and ``config``.
        splits: the data that the run needs, of ``'train'``, ``'val'``, ``'test'``.

    Raises:
        UserError: the config or the data is missing.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    if not torch.accelerator.is_available():
        # PyTorch would warn that there is nothing to pin memory for.
        for loader in filter(None, (cfg.get(f'{split}_dataloader') for split in ('train', 'val', 'test'))):
            loader.pin_memory = False
    check_data_paths(cfg, splits)
    return cfg


def resume_from(cfg: Config, checkpoint: str) -> list[str]:
    """Have a run go on from a checkpoint, or with ``'auto'`` from the newest of its work dir that is whole; without one it starts.

    Returns:
        Lines for the run's log.

    Raises:
        UserError: the checkpoint that was named is not whole.
    """
    if checkpoint == 'auto':
        found, notes = newest_whole(cfg.work_dir)
        if found is None:
            # With the weights that the config begins with, if it names any.
            cfg.resume = False
            return [*notes, f'{cfg.work_dir} has no checkpoint to resume from: training starts from the beginning']
        cfg.load_from, cfg.resume = found, True
    else:
        check_checkpoint(checkpoint, '--resume')
        reason = why_not_whole(checkpoint) if '://' not in checkpoint else None
        if reason:
            raise UserError(f'--resume {checkpoint}: {reason}')
        cfg.load_from, cfg.resume, notes = checkpoint, True, []
    # Everything comes from the checkpoint: weights to start from would be read, or downloaded, for nothing.
    _drop_pretrained(cfg.model)
    return notes


def _drop_pretrained(cfg) -> None:
    for value in list(cfg.values()) if isinstance(cfg, dict) else cfg if isinstance(cfg, (list, tuple)) else ():
        if isinstance(value, dict) and isinstance(value.get('init_cfg'), dict) and 'checkpoint' in value['init_cfg']:
            value['init_cfg'] = None
        _drop_pretrained(value)
