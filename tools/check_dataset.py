"""Find what is wrong with a dataset before training on it.

python tools/check_dataset.py FOLDER [--format FORMAT] [--annotations PATH] [--images FOLDER]
python tools/check_dataset.py data/bccd [--config configs/bccd/ssd_depthwise_bccd.py] [--fix FOLDER] [--figure FILE]
python tools/check_dataset.py --config configs/ssd300_coco.py

The exit status is 0 if training is safe, 1 if training or evaluation would stop or be wrong, and 2 if there is nothing
to check.
"""

import argparse
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmengine.registry import init_default_scope

from ssd_plugin.analysis import dataset_sources
from ssd_plugin.analysis.dataset_check import FEW, check
from ssd_plugin.analysis.dataset_priors import compare_with_priors
from ssd_plugin.analysis.dataset_repair import write_repaired
from ssd_plugin.analysis.dataset_report import issue_lines
from ssd_plugin.analysis.figure_files import check_format
from ssd_plugin.cli.arguments import add_folder_arguments
from ssd_plugin.cli.data_paths import check_data_paths
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations.garbage_collection import garbage_collection_disabled
from ssd_plugin.datasets.annotations.records import Annotations
from ssd_plugin.files import check_target

DEFAULT_CONFIG = 'ssd_plugin::ssd300_voc.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Find what is wrong with a dataset before training on it.')
    parser.add_argument(
        'data',
        nargs='?',
        type=Path,
        help='folder of images with annotations, in any layout, or a JSON file; by default the data that --config '
        'names',
    )
    parser.add_argument(
        '--config',
        help=f'config with the known classes and the priors to compare (default: the priors of {DEFAULT_CONFIG})',
    )
    add_folder_arguments(parser)
    parser.add_argument('--fix', type=Path, metavar='FOLDER', help='write repaired annotations to this new folder')
    parser.add_argument(
        '--figure',
        '--picture',
        type=Path,
        default=Path('check_dataset.png'),
        metavar='FILE',
        help='figure of the objects against the priors (default: check_dataset.png)',
    )
    parser.add_argument('--few', type=int, default=FEW, help=f'report classes with fewer objects (default: {FEW})')
    parser.add_argument(
        '--max-listed', type=int, default=10, help='issues of each kind to list (default: 10; 0 for all)'
    )
    parser.add_argument('--skip-files', action='store_true', help='do not read the image files')
    args = parser.parse_args()
    if args.data is None and args.config is None:
        parser.error('give a folder, a JSON file or --config')
    return args


def read_datasets(args: argparse.Namespace) -> list[tuple[Path, Annotations]]:
    """Return path and annotations of the datasets to check."""
    cfg = read_config(args.config, dict(data_root=str(args.data)) if args.data else None) if args.config else None
    chosen = args.format or args.annotations or args.class_attribute
    if cfg is not None and (args.data is None or (args.data.is_dir() and not chosen)):
        if args.data is None:
            check_data_paths(cfg, ('train', 'val', 'test'))
        return list(dataset_sources.of_config(cfg))
    classes = None if cfg is None else dataset_sources.classes_of(cfg)
    return list(
        dataset_sources.of_path(args.data, args.images, classes, args.format, args.annotations, args.class_attribute)
    )


def main() -> int:
    """Check the datasets, and return 0 if training is safe, 1 otherwise."""
    args = parse_args()
    init_default_scope('mmdet')
    check_target(args.figure)
    check_format(args.figure)
    datasets = read_datasets(args)
    for path, annotations in datasets:
        objects = sum(len(image.boxes) for image in annotations.images)
        print(f'{path}: {len(annotations.images)} images, {objects} objects')
    images = [image for _, annotations in datasets for image in annotations.images]
    found = check([annotations for _, annotations in datasets], args.few, not args.skip_files)
    for line in issue_lines(found.issues, args.max_listed):
        print(line)
    config = args.config or DEFAULT_CONFIG
    title = f'{", ".join(str(path) for path, _ in datasets)}, priors of {config}'
    unreached = compare_with_priors(config, images, title, args.figure)
    if unreached:
        print(f'\n{unreached}')
    if args.fix:
        write_repaired(datasets, args.fix)
        print(f'\nthe repaired annotations are in {args.fix}')
    print(f'\n{found.verdict}')
    return 0 if found.safe else 1


if __name__ == '__main__':
    with garbage_collection_disabled():
        exit_on_user_error(main, error_status=2)
