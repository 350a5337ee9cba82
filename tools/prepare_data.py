"""Download VOC or COCO into the layout that the configs expect; what is already there is verified and kept.

python tools/prepare_data.py voc2007 voc2012 [--root data] [--mirror ADDRESS] [--keep-archives]
"""

import argparse
from pathlib import Path

from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.prepare.download import SOURCES, mirrored, prepare


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Download, check and unpack VOC or COCO.')
    parser.add_argument(
        'datasets', nargs='+', choices=sorted(SOURCES), metavar='DATASET', help=', '.join(sorted(SOURCES))
    )
    parser.add_argument('--root', type=Path, default=Path('data'), help='folder for the datasets (default: data)')
    parser.add_argument('--mirror', help='address of a folder with the archives, instead of the official servers')
    parser.add_argument('--keep-archives', action='store_true', help='keep the archives after unpacking')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    for name in args.datasets:
        source = mirrored(SOURCES[name], args.mirror) if args.mirror else SOURCES[name]
        prepare(source, args.root, args.keep_archives)


if __name__ == '__main__':
    exit_on_user_error(main)
