"""Command-line arguments that the tools share."""

import argparse

from mmengine.config import DictAction


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that MMDetection's users know, common to training and testing."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints; work_dirs/CONFIG by default')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings of the config as key=value; a list as key="[a,b]" or key=a,b. data_root=FOLDER moves every path '
        'that lies below the data_root of the config',
    )
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
