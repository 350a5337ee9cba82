"""What the command-line tools share: arguments, config and checks before a run."""
import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict, DictAction

from .user_errors import UserError, check_checkpoint, check_data_paths
from .whole_checkpoints import newest_whole, why_not_whole


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that MMDetection's users know, common to training and testing."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints; work_dirs/CONFIG by default')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings of the config as key=value; a list as key="[a,b]" or key=a,b. data_root=FOLDER moves every path '
        'that lies below the data_root of the config')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # torch.distributed passes --local-rank where it does not set the variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def at_least_one(text: str) -> int:
    """For arguments that are numbers of something.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number of 1 or more')
    return int(text)


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


def read_config(path: str, options: dict | None = None) -> Config:
    """A config file with ``--cfg-options`` merged in. ``ssd_plugin::NAME`` reads one that comes with the package.

    Raises:
        UserError: the file is missing or wrong.
    """
    try:
        cfg = Config.fromfile(Config._get_cfg_path(path, '')[0])
    except FileNotFoundError as error:
        raise UserError(f'config {path}: {error}') from error
    except (SyntaxError, KeyError) as error:
        raise UserError(f'config {path} cannot be read: {type(error).__name__}: {error}') from error
    if options:
        old_root = cfg.get('data_root')
        cfg.merge_from_dict(options)
        if 'data_root' in options and old_root:
            new_root = os.path.join(options['data_root'], '')
            for key in cfg.keys():
                cfg[key] = _rebase(cfg[key], old_root, new_root)
    return cfg


def _rebase(value, old: str, new: str):
    """Every string below ``old`` moved below ``new``: a config computes its paths from data_root before options arrive."""
    if isinstance(value, dict):
        return ConfigDict({key: _rebase(item, old, new) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return type(value)(_rebase(item, old, new) for item in value)
    if isinstance(value, str) and value.startswith(old):
        return new + value[len(old):]
    return value
