"""Show where the values of a batch stop being finite.

python tools/replay_batch.py work_dirs/ssd300_voc/nonfinite_iter_1234.pth

Training keeps such a batch when its gradients are not finite. Prints for each image whether its pixels, boxes and
losses are finite, and the first layer whose output is not.
"""

import argparse

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
from ssd_plugin.analysis.batch_replay import replay_file
from ssd_plugin.cli.error_messages import exit_on_user_error


def main() -> None:
    """Replay a kept batch, and print a report."""
    parser = argparse.ArgumentParser(description='Show where the values of a batch stop being finite.')
    parser.add_argument('batch', help='file nonfinite_iter_N.pth of a work directory')
    for line in replay_file(parser.parse_args().batch):
        print(line, flush=True)


if __name__ == '__main__':
    exit_on_user_error(main)
