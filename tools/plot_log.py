"""Plot the training curves of a run.

python tools/plot_log.py WORK_DIR [OUT.png]
"""

import argparse
from pathlib import Path

from ssd_plugin.analysis.figure_files import check_format
from ssd_plugin.analysis.training_curves import plot_curves, read_log
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.files import check_target


def main() -> None:
    """Plot the log of a work directory."""
    parser = argparse.ArgumentParser(description='Plot the training curves of a run.')
    parser.add_argument('work_dir', type=Path, help='work directory of the run')
    parser.add_argument('out', nargs='?', type=Path, help='figure to save (default: WORK_DIR/curves.png)')
    args = parser.parse_args()
    records = read_log(args.work_dir)
    path = args.out or args.work_dir / 'curves.png'
    check_target(path)
    check_format(path)
    plot_curves(records, path)
    print(f'training curves: {path}')


if __name__ == '__main__':
    exit_on_user_error(main)
