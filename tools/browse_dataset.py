"""Show what a config trains on: a contact sheet of augmented samples with boxes and class names.

Of a folder of images with annotations, without a config, the images are shown as they are, with their objects.

python tools/browse_dataset.py configs/bccd/ssd_depthwise_bccd.py [--stages [INDEX]] [--number 16] [--out
browse_dataset.png]
python tools/browse_dataset.py FOLDER [--format FORMAT] [--annotations PATH] [--images FOLDER]
"""

import argparse
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from torch import Tensor
from torchvision.io import encode_png

from ssd_plugin.analysis.sample_sheets import contact_sheet, ground_truth_sheet, stages
from ssd_plugin.cli.arguments import add_folder_arguments, at_least_one
from ssd_plugin.cli.data_paths import check_data_paths
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import leaf_datasets, read_config
from ssd_plugin.datasets.folders import describe
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_target, write_atomically


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Show what a config trains on.')
    parser.add_argument(
        'config',
        help='config file, ssd_plugin::NAME for one that comes with the package, or a folder of images with '
        'annotations',
    )
    add_folder_arguments(parser)
    parser.add_argument(
        '--out', type=Path, default=Path('browse_dataset.png'), help='PNG file (default: browse_dataset.png)'
    )
    parser.add_argument('--number', type=at_least_one, default=16, help='number of samples (default: 16)')
    parser.add_argument('--columns', type=at_least_one, default=4, help='samples in a row (default: 4)')
    parser.add_argument(
        '--stages',
        nargs='?',
        const=0,
        type=int,
        metavar='INDEX',
        help='show one image after each step of the pipeline instead; without a value the first image',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the random numbers (default: 0)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings of the config as key=value'
    )
    return parser.parse_args()


def main() -> None:
    """Draw the sheet, and write it."""
    args = parse_args()
    if Path(args.config).is_dir() or args.config.endswith('.json') or args.format or args.annotations or args.images:
        image = folder_sheet(args)
    else:
        image = config_sheet(args)
    write_atomically(args.out, lambda file: file.write(encode_png(image).numpy().tobytes()))
    print(f'{args.out}: {image.shape[2]}x{image.shape[1]} pixels')


def folder_sheet(args: argparse.Namespace) -> Tensor:
    """Show images of a folder with their objects."""
    if args.stages is not None or args.cfg_options:
        raise UserError(f'{args.config} is a folder: --stages and --cfg-options need a config')
    check_target(args.out)
    found = describe(Path(args.config), args.format, args.annotations, args.images, args.class_attribute)
    print(found)
    return ground_truth_sheet(found, args.number, args.columns, args.seed)


def config_sheet(args: argparse.Namespace) -> Tensor:
    """Show training samples of a config."""
    cfg = read_config(args.config, args.cfg_options)
    check_data_paths(cfg, ('train',))
    check_target(args.out)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    with explained(cfg):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        np.random.seed(args.seed)
        torch.manual_seed(args.seed)
        if args.stages is None:
            chosen = np.random.permutation(len(dataset))[: args.number].tolist()
            return contact_sheet(dataset, chosen, args.columns)
        size = len(next(leaf_datasets(dataset))[1])
        if not 0 <= args.stages < size:
            raise UserError(f'--stages {args.stages}: the dataset has images 0 to {size - 1}')
        return stages(dataset, args.stages, args.seed)


if __name__ == '__main__':
    exit_on_user_error(main)
