"""Command-line arguments shared by several tools."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction


class SettingsAction(DictAction):
    """MMEngine's ``DictAction``, with an error message for what is not ``KEY=VALUE``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Collect the settings."""
        for text in values or ():
            key, equals, _ = str(text).partition('=')
            if not equals or not all(key.split('.')):
                parser.error(f'argument {option_string}: {text!r} is not KEY=VALUE, such as {key.strip(".")}=VALUE')
        try:
            super().__call__(parser, namespace, values, option_string)
        except (ValueError, AssertionError) as error:
            parser.error(f'argument {option_string}: {" ".join(map(str, values or ()))}: {error}')


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments common to training and testing, named as in MMDetection's tools."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/CONFIG)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        metavar='KEY=VALUE',
        help='override settings of the config as key=value; a list as key="[a,b]" or key=a,b. data_root=FOLDER moves '
        'every path below the data_root of the config',
    )
    parser.add_argument('--new-keys', action='store_true', help='accept top-level keys that nothing reads')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    # torch.distributed passes --local-rank where it does not set the environment variable LOCAL_RANK.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def at_least_one(text: str) -> int:
    """Convert the text of an argument to a positive integer.

    Raises:
        argparse.ArgumentTypeError: The text is not a positive integer.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not an integer of 1 or more')
    return int(text)


def zero_or_more(text: str) -> int:
    """Convert the text of an argument to an integer that is not negative.

    Raises:
        argparse.ArgumentTypeError: The text is not such an integer.
    """
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not an integer of 0 or more')
    return int(text)
