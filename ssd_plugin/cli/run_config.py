"""Config of a run: changes by the command line, a check of its data, and resuming from a checkpoint."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.datasets.transforms import PackDetInputs
from mmengine.config import Config

from ssd_plugin.compat import resolve_config_path
from ssd_plugin.configs import SPLITS, drop_pretrained, pipeline_steps, read_config
from ssd_plugin.engine.checkpointing.checkpoint_integrity import newest_resumable, why_not_resumable
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint, check_folder, is_local

from .arguments import tiles_of
from .config_check import check_config, check_shape
from .config_keys import check_sections, check_variables
from .data_paths import check_data_paths
from .signatures import settings_of
from .tiled_detection import detect_in_tiles


def load_config(args: argparse.Namespace, splits: Sequence[str]) -> Config:
    """Return the config of a run with the changes of the command line, after checking it, its data and its work_dir.

    Args:
        args: Arguments of :func:`add_run_arguments`, ``config``, and perhaps those of :func:`add_tile_arguments`.
        splits: Splits that the run needs, of ``'train'``, ``'val'`` and ``'test'``.

    Raises:
        UserError: Something is missing or wrong.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, args.cfg_options, args.new_keys)
    check_shape(cfg, splits)
    detect_in_tiles(cfg, tiles_of(args))
    cfg.launcher = args.launcher
    if cfg.get('randomness'):
        # Runner fails on other settings without a seed; with None, it draws one and logs it.
        cfg.randomness.setdefault('seed', None)
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(resolve_config_path(args.config)).stem)
    if not torch.accelerator.is_available():
        # PyTorch would warn that there is no accelerator to pin memory for.
        for loader in filter(None, (cfg.get(f'{split}_dataloader') for split in SPLITS)):
            loader.pin_memory = False
    if not args.new_keys:
        check_variables(cfg, args.config)
    check_sections(cfg)
    pack_ground_truth(cfg, splits)
    check_data_paths(cfg, splits)
    check_config(cfg, splits)
    check_folder(Path(cfg.work_dir), 'work_dir')
    return cfg


def pack_ground_truth(cfg: Config, splits: Sequence[str]) -> None:
    """Let ``CocoMetric`` evaluate any dataset: without an ``ann_file`` it reads the objects from the packed samples.

    Args:
        cfg: Config to change: the steps that pack samples for such a metric keep the key ``instances``.
        splits: Some of ``'train'``, ``'val'`` and ``'test'``.
    """
    for split in splits:
        evaluator = cfg.get(f'{split}_evaluator') or []
        metrics = evaluator if isinstance(evaluator, list) else [evaluator]
        if not any(metric.get('type') == 'CocoMetric' and not metric.get('ann_file') for metric in metrics):
            continue
        for step in pipeline_steps(cfg[f'{split}_dataloader'].dataset):
            if isinstance(step.transform, dict) and step.transform.get('type') == 'PackDetInputs':
                keys = step.transform.get('meta_keys', settings_of(PackDetInputs).parameters['meta_keys'].default)
                step.transform['meta_keys'] = (*keys, *({'instances'} - set(keys)))


def resume_from(cfg: Config, checkpoint: str) -> list[str]:
    """Set a config to resume from a checkpoint.

    Args:
        cfg: Config to change.
        checkpoint: Path of a checkpoint, or ``'auto'`` for the newest intact one of the work directory; without one,
            training starts from the beginning.

    Returns:
        Lines for the log of the run.

    Raises:
        UserError: The checkpoint at the path is missing or damaged.
    """
    if checkpoint == 'auto':
        found, notes = newest_resumable(cfg.work_dir)
        if found is None:
            # From the weights in load_from, if the config names any.
            cfg.resume = False
            return [*notes, f'{cfg.work_dir} has no checkpoint to resume from: training starts from the beginning']
    else:
        check_checkpoint(checkpoint, '--resume')
        reason = why_not_resumable(checkpoint) if is_local(checkpoint) else None
        if reason:
            raise UserError(f'--resume {checkpoint}: {reason}')
        found, notes = checkpoint, []
    cfg.load_from, cfg.resume = found, True
    # All weights come from the checkpoint, so reading or downloading pretrained ones would be useless.
    drop_pretrained(cfg.model)
    return notes
