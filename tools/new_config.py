"""Write a config for a folder of one's own images, with a reason for every number, and optionally train it.

python tools/new_config.py /path/to/data [--detector depthwise|ssdlite320|ssd300|ssd512] [--output my.py] [--train]

The folder may hold VOC XML, COCO JSON, YOLO text files or another tool's annotations, with splits or without.
"""

import argparse
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from mmengine.registry import init_default_scope

from ssd_plugin.analysis.dataset_check import check
from ssd_plugin.analysis.dataset_report import issue_lines
from ssd_plugin.cli.arguments import add_folder_arguments, zero_or_more
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.cli.machine_load import warn_if_crowded
from ssd_plugin.cli.new_config.choices import DETECTORS
from ssd_plugin.cli.new_config.make import make
from ssd_plugin.cli.new_config.text import train_command
from ssd_plugin.datasets.folders.description import describe
from ssd_plugin.datasets.folders.folder_dataset import FolderDataset
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_target

MINUTES = 20.0
# Issues of a kind that are listed.
MAX_LISTED = 3


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write a config for a folder of one's own images.")
    parser.add_argument('data', type=Path, help='folder with images and annotations')
    parser.add_argument(
        '--detector', choices=DETECTORS, default='depthwise', help='detector to begin with (default: depthwise)'
    )
    parser.add_argument(
        '--output', type=Path, metavar='FILE', help='config to write (default: DATA_DETECTOR.py in this folder)'
    )
    add_folder_arguments(parser)
    parser.add_argument(
        '--val-fraction',
        type=float,
        default=0.2,
        metavar='F',
        help='fraction of the images for validation, where there are no splits (default: 0.2)',
    )
    parser.add_argument(
        '--minutes', type=float, default=MINUTES, help=f'time for the training (default: {MINUTES:.0f})'
    )
    parser.add_argument('--seed', type=zero_or_more, default=0, help='seed of split, search and training (default: 0)')
    parser.add_argument('--force', action='store_true', help='go on although training is not safe')
    parser.add_argument('--train', action='store_true', help='train, evaluate, and draw curves and detections')
    args = parser.parse_args()
    if args.output is None:
        args.output = Path(f'{args.data.absolute().stem.replace(" ", "_")}_{args.detector}.py')
    return args


def check_args(args: argparse.Namespace) -> None:
    """Check the arguments that need no data.

    Raises:
        UserError: One is wrong.
    """
    if args.output.suffix != '.py':
        raise UserError(f'--output {args.output}: the name of a config ends in .py')
    if args.output.exists():
        raise UserError(f'{args.output} exists already; give another file with --output')
    check_target(args.output)
    if not 0 < args.val_fraction < 1:
        raise UserError(f'--val-fraction {args.val_fraction}: it must be between 0 and 1')
    if not args.minutes > 0:
        raise UserError(f'--minutes {args.minutes}: it must be greater than 0')


def check_data(data: FolderDataset, force: bool) -> None:
    """Print what is wrong with the data, the most severe first.

    Raises:
        UserError: It has no image with an object, or training is not safe and not forced.
    """
    datasets = [annotations for _, annotations in data.sources]
    if not any(image.boxes for annotations in datasets for image in annotations.images):
        raise UserError(f'{data.annotations} has no image with an object ({data.title})')
    found = check(datasets)
    for line in issue_lines(found.issues, MAX_LISTED):
        print(line)
    print(f'\n{found.verdict}')
    if not found.safe and not force:
        raise UserError(
            f'training on {data.root} is not safe. Mend what is listed above (check_dataset.py shows all of it, and '
            '--fix writes a repaired copy), or write the config nevertheless with --force'
        )


def train(config: Path) -> int:
    """Train a config, evaluate the result, and draw; return the exit status of the first command that fails, or 0."""
    work_dir = Path('work_dirs', config.stem)
    status = run('train', str(config))
    if status:
        return status
    checkpoint = (work_dir / 'last_checkpoint').read_text().strip()
    shown = ('--work-dir', str(work_dir / 'test'), '--show-dir', 'figures')
    return run('test', str(config), checkpoint, *shown) or run('plot_log', str(work_dir))


def run(tool: str, *arguments: str) -> int:
    """Run a tool, and return its exit status."""
    print(f'$ python -m ssd_plugin {shlex.join([tool, *arguments])}', flush=True)
    return subprocess.run([sys.executable, '-m', 'ssd_plugin', tool, *arguments]).returncode


def main() -> int:
    """Write the config, and train it if asked to."""
    args = parse_args()
    check_args(args)
    # As after Ctrl-C, nothing half-written is left.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    init_default_scope('mmdet')
    chosen = (args.data, args.format, args.annotations, args.images, args.class_attribute)
    data = describe(*chosen)
    splits = ', '.join(f'{split.name} {len(split.images)}' for split in data.splits.values())
    print(f'{data.title} in {data.annotations}: {splits} images; classes {", ".join(map(str, data.classes))}')
    for other in data.others:
        print(f'not read, since it describes the same images: {other}')
    # The check changes the records to what a repaired copy would hold.
    check_data(describe(*chosen), args.force)
    # After the errors, which are one line.
    warn_if_crowded()
    for file in make(data, DETECTORS[args.detector], args.output, args.val_fraction, args.seed, args.minutes):
        print(f'written: {file}')
    if args.train:
        return train(args.output)
    print(train_command(args.output))
    return 0


if __name__ == '__main__':
    exit_on_user_error(main)
