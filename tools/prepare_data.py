"""Download VOC or COCO into the layout that the configs expect, or write lists of images of folders in VOC's layout.

python tools/prepare_data.py voc2007 voc2012 [--root data] [--mirror ADDRESS] [--keep-archives]
python tools/prepare_data.py split data/mine [--test 0.2] [--seed 0]
python tools/prepare_data.py lists data/VOCdevkit/VOC2007 data/VOCdevkit/VOC2012 --out data/tutorial
"""

import argparse
import sys
from pathlib import Path

from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.prepare.download import SOURCES, mirrored, prepare
from ssd_plugin.prepare.random_split import write_split
from ssd_plugin.prepare.tutorial_lists import write_lists


def parse_download_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Download, check and unpack VOC or COCO; what is already there is verified and kept.',
        epilog="prepare_data.py split splits a folder in VOC's layout into training and test images; prepare_data.py "
        'lists writes the data lists of the PyTorch tutorial. Each has its own help (-h).',
    )
    parser.add_argument(
        'datasets', nargs='+', choices=sorted(SOURCES), metavar='DATASET', help=', '.join(sorted(SOURCES))
    )
    parser.add_argument('--root', type=Path, default=Path('data'), help='folder for the datasets (default: data)')
    parser.add_argument('--mirror', help='address of a folder with the archives, instead of the official servers')
    parser.add_argument('--keep-archives', action='store_true', help='keep the archives after unpacking')
    return parser.parse_args()


def download() -> None:
    args = parse_download_args()
    for name in args.datasets:
        source = mirrored(SOURCES[name], args.mirror) if args.mirror else SOURCES[name]
        prepare(source, args.root, args.keep_archives)


def parse_lists_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f'{Path(sys.argv[0]).name} lists',
        description="Write the data lists of the PyTorch tutorial (JsonListsDataset) from folders in VOC's layout.",
    )
    parser.add_argument(
        'folders',
        nargs='+',
        type=Path,
        metavar='FOLDER',
        help='folders with Annotations, ImageSets/Main and JPEGImages, such as data/VOCdevkit/VOC2007',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('data/tutorial'), help='folder for the lists (default: data/tutorial)'
    )
    parser.add_argument(
        '--classes',
        type=lambda text: text.split(','),
        metavar='A,B,C',
        help="class names in the order of their numbers (default: VOC's, or if there are others, those of the "
        'annotations in lower case, sorted)',
    )
    parser.add_argument(
        '--train-split', default='trainval', metavar='NAME', help='list of the training images (default: trainval)'
    )
    parser.add_argument(
        '--test-split',
        default='test',
        metavar='NAME',
        help='list of the test images, in one of the folders at least (default: test)',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace lists with other content')
    return parser.parse_args(sys.argv[2:])


def lists() -> None:
    args = parse_lists_args()
    write_lists(args.folders, args.out, args.classes, (args.train_split, args.test_split), args.overwrite)


def parse_split_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f'{Path(sys.argv[0]).name} split',
        description="Split the images of a folder in VOC's layout into training and test images: write "
        'ImageSets/Main/trainval.txt and test.txt.',
    )
    parser.add_argument('folder', type=Path, metavar='FOLDER', help='folder with Annotations and JPEGImages')
    parser.add_argument('--test', type=float, default=0.2, help='fraction of the test images (default: 0.2)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random numbers (default: 0)')
    parser.add_argument(
        '--train-split', default='trainval', metavar='NAME', help='list of the training images (default: trainval)'
    )
    parser.add_argument('--test-split', default='test', metavar='NAME', help='list of the test images (default: test)')
    return parser.parse_args(sys.argv[2:])


def split() -> None:
    args = parse_split_args()
    write_split(args.folder, args.test, args.seed, (args.train_split, args.test_split))


def main() -> None:
    if sys.argv[1:2] == ['lists']:
        lists()
    elif sys.argv[1:2] == ['split']:
        split()
    else:
        download()


if __name__ == '__main__':
    exit_on_user_error(main)
