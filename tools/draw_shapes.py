"""Draw a data set of shapes, in VOC layout and as COCO JSON; needs no download.

python tools/draw_shapes.py [data/shapes] [--train 800] [--test 160] [--seed 0]
"""

import argparse
from pathlib import Path

from ssd_plugin.cli.arguments import at_least_one
from ssd_plugin.prepare.drawn_shapes import draw_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description='Draw a data set of shapes.')
    parser.add_argument(
        'folder', nargs='?', type=Path, default=Path('data/shapes'), help='folder to make (default: data/shapes)'
    )
    parser.add_argument('--train', type=at_least_one, default=800, help='training images (default: 800)')
    parser.add_argument('--test', type=at_least_one, default=160, help='test images (default: 160)')
    parser.add_argument('--seed', type=int, default=0, help='the same seed draws the same images (default: 0)')
    args = parser.parse_args()
    draw_dataset(args.folder, dict(train=args.train, test=args.test), seed=args.seed)
    print(f'{args.train} + {args.test} images are in {args.folder}')


if __name__ == '__main__':
    main()
