"""Command-line arguments shared by several tools."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import DictAction

from ssd_plugin.datasets.folders import RECOGNIZERS
from ssd_plugin.errors import UserError


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


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that decide what is read of a folder of images and annotations."""
    parser.add_argument(
        '--format',
        choices=list(RECOGNIZERS),
        help='format of the annotations in a folder (default: told by their content)',
    )
    parser.add_argument(
        '--annotations', type=Path, help='file or folder of the annotations, where a folder has several'
    )
    parser.add_argument('--images', type=Path, help='folder of the images, where they are elsewhere')
    parser.add_argument(
        '--class-attribute', metavar='NAME', help='attribute with the class, where objects have several (VIA)'
    )


def add_tile_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of detection in windows."""
    parser.add_argument(
        '--tiles',
        nargs='?',
        const={},
        type=_tile_size,
        metavar='WIDTHxHEIGHT',
        help='detect in overlapping windows of this size, in pixels of the image, for small objects in large images; '
        "without a value, of the size of the network's input. max_per_img of the config still limits the detections of "
        'an image',
    )
    parser.add_argument(
        '--tile-overlap',
        type=float,
        metavar='FRACTION',
        help="overlap of neighboring windows as a fraction of their side (default: the config's, or 0.25); objects "
        'smaller than the overlap are whole in a window',
    )


def tiles_of(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the settings of windows (``test_cfg.tiles``) that the arguments give; ``None`` without any.

    Args:
        args: Arguments, with those of :func:`add_tile_arguments` or without.

    Raises:
        UserError: There is an overlap but no windows.
    """
    tiles, overlap = getattr(args, 'tiles', None), getattr(args, 'tile_overlap', None)
    if overlap is None:
        return tiles
    if tiles is None:
        raise UserError('--tile-overlap is that of the windows of --tiles; give --tiles, too')
    return {**tiles, 'overlap': overlap}


def _tile_size(text: str) -> dict[str, Any]:
    """Convert the text of an argument to the size of windows.

    Raises:
        argparse.ArgumentTypeError: The text is not a size.
    """
    sides = text.lower().split('x')
    if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise argparse.ArgumentTypeError(f'{text!r} is not WIDTHxHEIGHT in pixels, such as 640x480')
    return dict(size=(int(sides[0]), int(sides[1])))


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
