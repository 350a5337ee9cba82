"""Train a detector.

python tools/train.py configs/ssd300_voc.py [--work-dir DIR] [--amp] [--auto-scale-lr] [--resume [CHECKPOINT]]
                      [--max-iters N | --epochs N] [--cfg-options KEY=VALUE ...] [--launcher pytorch|slurm|mpi]

On SIGTERM, SIGUSR1 or Ctrl-C, finish the iteration, save a checkpoint and exit with status 75. A second Ctrl-C ends at
once.
"""

import argparse
import signal
from contextlib import nullcontext

if __name__ == '__main__' and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    # Ctrl-C during the imports ends without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.device import get_device
from torch.distributed.elastic.multiprocessing.errors import record

from ssd_plugin.cli.arguments import add_run_arguments, at_least_one
from ssd_plugin.cli.config_lineage import describe
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.cli.interrupts import end_on_interrupt
from ssd_plugin.cli.launchers import is_first_rank
from ssd_plugin.cli.quiet_runner import build_runner
from ssd_plugin.cli.run_config import load_config, resume_from
from ssd_plugin.cli.schedule import scale_schedule
from ssd_plugin.cli.trained_settings import notes_for_training
from ssd_plugin.engine.checkpointing import ClassTransferHook
from ssd_plugin.engine.checkpointing.preemption_hook import PreemptionHook, preempted_status
from ssd_plugin.engine.checkpointing.work_dir_lock import locked
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Train a detector.')
    parser.add_argument('config', help='config file, or ssd_plugin::NAME for one that comes with the package')
    parser.add_argument(
        '--amp',
        nargs='?',
        const='float16',
        choices=['float16', 'bfloat16'],
        help='train with automatic mixed precision (float16 without a value)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the batch size as auto_scale_lr of the config says',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume from this checkpoint; without a value, from the newest intact one in the work directory',
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--max-iters',
        type=at_least_one,
        metavar='N',
        help='train for N iterations, and scale the schedule with it: milestones, warm-up, validations, checkpoints',
    )
    length.add_argument('--epochs', type=at_least_one, metavar='N', help='the same for N epochs')
    add_run_arguments(parser)
    return parser.parse_args()


def main() -> int:
    """Train, and return the exit status: 75 if a signal has ended the run."""
    end_on_interrupt()
    args = parse_args()
    setup_cache_size_limit_of_dynamo()
    cfg = load_config(args, ('train', 'val'))
    if is_first_rank():
        print('\n'.join(describe(args.config)), flush=True)
    if args.amp == 'bfloat16':
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    elif args.amp:
        if get_device() == 'cpu':
            raise UserError(
                '--amp trains in float16, which needs a GPU, and none was found; --amp bfloat16 also works on a CPU'
            )
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('dtype', args.amp)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise UserError(f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in {args.config}')
        cfg.auto_scale_lr.enable = True
    with locked(cfg.work_dir) if is_first_rank() else nullcontext():
        return train(args, cfg)


def train(args: argparse.Namespace, cfg: Config) -> int:
    """Train as the config says, and return the exit status."""
    if args.max_iters or args.epochs:
        with explained(cfg):
            scaled = scale_schedule(cfg, args.max_iters, args.epochs)
        if is_first_rank():
            print(scaled, flush=True)
    notes = [] if args.resume is None else resume_from(cfg, args.resume)
    check_checkpoint(cfg.get('load_from'), '--resume' if args.resume else 'load_from')
    with explained(cfg, cfg.get('load_from'), in_tool=True):
        if cfg.get('load_from'):
            notes += notes_for_training(cfg, cfg.load_from)
        runner = build_runner(cfg)
        if not any(isinstance(hook, ClassTransferHook) for hook in runner.hooks):
            runner.register_hook(ClassTransferHook())
        for note in notes:
            runner.logger.warning(note)
        runner.train()
    preempted = any(isinstance(hook, PreemptionHook) and hook.preempted for hook in runner.hooks)
    return preempted_status() if preempted else 0


if __name__ == '__main__':
    # For torchrun, which shows the error of the rank that failed first.
    exit_on_user_error(record(main))
