"""Draw the priors of a config over an image, or those that are matched to its objects.

python tools/show_priors.py CONFIG [--level 2 3] [--cell 0,0] [--image FILE] [--unclipped] [--out show_priors.png]
python tools/show_priors.py CONFIG --index 0 --match [OBJECT ...]

Needs neither a checkpoint nor, without --index and --name, a dataset.
"""

import argparse
import re
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from ssd_plugin.analysis import input_images
from ssd_plugin.analysis.config_priors import level_lines, priors_of
from ssd_plugin.analysis.figure_files import check_format, save_figure
from ssd_plugin.analysis.match_figures import check_objects, draw_matches, draw_objects
from ssd_plugin.analysis.prior_figures import check_cells, check_levels, draw_priors
from ssd_plugin.analysis.prior_matches import match_objects, matcher_of, object_lines
from ssd_plugin.cli.config_keys import check_sections
from ssd_plugin.cli.data_paths import check_data_paths
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import SPLITS, read_config
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_target


def cell(text: str) -> tuple[int, int]:
    """Convert ROW,COLUMN."""
    if not re.fullmatch(r'\d+,\d+', text):
        raise argparse.ArgumentTypeError(f'{text!r} is not ROW,COLUMN, for example 0,3')
    row, column = text.split(',')
    return int(row), int(column)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Draw the priors of a config over an image.')
    parser.add_argument('config', help='config file, or ssd_plugin::NAME for one that comes with the package')
    parser.add_argument('--level', nargs='+', type=int, metavar='LEVEL', help='levels to show, from 0 (default: all)')
    parser.add_argument(
        '--cell',
        nargs='+',
        type=cell,
        metavar='ROW,COLUMN',
        help='cells whose priors are drawn, from 0,0 (default: the center of each feature map)',
    )
    images = parser.add_mutually_exclusive_group()
    images.add_argument('--image', metavar='FILE', help='image file to draw on, without objects (default: none)')
    images.add_argument('--index', type=int, help="index of an image of the config's dataset, shown with its objects")
    images.add_argument('--name', help='the same by file name, with or without suffix')
    parser.add_argument('--split', choices=SPLITS, default='train', help='split of that image (default: train)')
    parser.add_argument(
        '--match',
        nargs='*',
        type=int,
        metavar='OBJECT',
        help='draw the priors that are matched to the objects instead; with numbers, to those objects alone, each in a '
        'panel with the IoU of every prior',
    )
    parser.add_argument(
        '--unclipped',
        action='store_true',
        help='draw the priors before they are clipped too, dashed, for a config that clips them',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('show_priors.png'), help='figure to save (default: show_priors.png)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings of the config as key=value'
    )
    args = parser.parse_args()
    if args.match is not None and (args.cell or args.unclipped):
        parser.error('--cell and --unclipped show the priors of cells, --match those of objects')
    if args.match and args.level:
        parser.error('--match OBJECT shows the priors of all levels; leave out --level')
    return args


def read_image(args: argparse.Namespace, cfg: Config, size: tuple[int, int]) -> input_images.InputImage:
    """Return the image to draw on, at the size of the input."""
    if args.image is not None:
        return input_images.of_file(args.image, size)
    which = args.name if args.index is None else args.index
    if which is None:
        return input_images.blank(size)
    check_data_paths(cfg, (args.split,))
    with explained(cfg):
        return input_images.of_dataset(cfg, args.split, which, size)


def main() -> None:
    """Draw the figure, and print tables of the levels and the objects."""
    args = parse_args()
    check_target(args.out)
    check_format(args.out)
    cfg = read_config(args.config, args.cfg_options)
    check_sections(cfg)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    priors = priors_of(cfg)
    levels = check_levels(priors, args.level)
    cells = check_cells(priors, levels, args.cell)
    if args.match is not None and args.index is None and args.name is None:
        raise UserError('--match needs an image with objects: choose one of the dataset with --index or --name')
    matcher = None if args.match is None else matcher_of(cfg)
    image = read_image(args, cfg, priors.input_size)
    lines = level_lines(priors)
    title = f'{args.config}: '
    if matcher is None:
        clip = f', clipped (clip={priors.clip!r})' if priors.clip else ''
        dashed = '; dashed: before clipping' if clip and args.unclipped else ''
        figure = draw_priors(priors, image, levels, cells, args.unclipped, f'{title}priors{clip}{dashed}')
    else:
        objects = check_objects(image.objects, args.match)
        matches = match_objects(matcher, priors.used, objects)
        lines += ['', *object_lines(priors, objects, matches)]
        title += f'priors matched by {type(matcher).__name__}'
        if args.match:
            figure = draw_objects(priors, image, matches, args.match, title)
        else:
            figure = draw_matches(priors, image, matches, levels, title)
    print('\n'.join(lines))
    save_figure(figure, args.out)
    print(f'{args.out}: {image.name}, {priors.input_size[0]}x{priors.input_size[1]}')


if __name__ == '__main__':
    exit_on_user_error(main)
