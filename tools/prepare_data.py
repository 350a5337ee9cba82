"""Get VOC or COCO into the layout that the configs expect. What is there already is verified and kept.

python tools/prepare_data.py voc2007 voc2012 [--root data] [--mirror ADDRESS] [--keep-archives]
"""

import argparse
import sys
from pathlib import Path

from ssd_plugin.prepare.download import SOURCES, DataError, mirrored, prepare


def main() -> None:
    parser = argparse.ArgumentParser(description='Download, check and unpack VOC or COCO.')
    parser.add_argument(
        'datasets', nargs='+', choices=sorted(SOURCES), metavar='DATASET', help=', '.join(sorted(SOURCES))
    )
    parser.add_argument('--root', type=Path, default=Path('data'), help='folder for the data sets (default: data)')
    parser.add_argument('--mirror', help='address of a folder that has the archives, in place of the official servers')
    parser.add_argument('--keep-archives', action='store_true', help='keep the downloaded files')
    args = parser.parse_args()
    for name in args.datasets:
        source = mirrored(SOURCES[name], args.mirror) if args.mirror else SOURCES[name]
        try:
            prepare(source, args.root, args.keep_archives)
        except DataError as error:
            sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
