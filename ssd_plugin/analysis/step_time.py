"""Measure how long an iteration of a config's training takes on this machine, with its data."""

import tempfile
import warnings

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from ssd_plugin.configs import drop_pretrained

# Iterations before the measurement, in which workers start and caches fill, and those that are measured.
WARM_UP, MEASURED = 3, 10


def seconds_per_iteration(cfg: Config) -> float:
    """Return the median time of an iteration, loading included, from a training of a few iterations.

    Args:
        cfg: Complete config. The weights start random, since nothing is downloaded for a measurement.
    """
    cfg = cfg.copy()
    cfg.log_level = 'ERROR'
    cfg.load_from = None
    drop_pretrained(cfg.model)
    cfg.train_cfg.max_iters = WARM_UP + MEASURED
    cfg.train_dataloader.pin_memory = torch.accelerator.is_available()
    for part in ('val', 'test'):
        for key in (f'{part}_dataloader', f'{part}_cfg', f'{part}_evaluator'):
            cfg.pop(key, None)
    cfg.default_hooks = dict(checkpoint=None, logger=None)
    with tempfile.TemporaryDirectory(prefix='ssd_plugin_') as folder, warnings.catch_warnings():
        # PyTorch takes the hook that skips steps for an optimizer that takes none.
        warnings.simplefilter('ignore')
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        runner.train()
    times, _ = runner.message_hub.get_scalar('train/time').data
    return float(np.median(times[WARM_UP:]))
