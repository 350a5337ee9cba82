"""Draw a dataset of shapes, in VOC layout and as COCO JSON; needs no download.

python tools/draw_shapes.py [data/shapes] [--train 800] [--test 160] [--seed 0]
"""

import argparse
from pathlib import Path

from ssd_plugin.cli.arguments import at_least_one
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.prepare.drawn_shapes import draw_dataset


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Draw a dataset of shapes.')
    parser.add_argument(
        'folder', nargs='?', type=Path, default=Path('data/shapes'), help='folder to write (default: data/shapes)'
    )
    parser.add_argument('--train', type=at_least_one, default=800, help='number of training images (default: 800)')
    parser.add_argument('--test', type=at_least_one, default=160, help='number of test images (default: 160)')
    parser.add_argument(
        '--seed', type=int, default=0, help='random seed; the same seed draws the same images (default: 0)'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    draw_dataset(args.folder, dict(train=args.train, test=args.test), seed=args.seed)
    print(f'drawn: {args.train} training and {args.test} test images in {args.folder}')


if __name__ == '__main__':
    exit_on_user_error(main)
