"""Plot the training curves of a run: python tools/plot_log.py WORK_DIR [OUT.png]"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402


def read_log(work_dir: Path) -> list[dict]:
    """Records of all runs in a work dir, oldest run first; a resumed run goes on where the one before ended."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]


def plot(records: list[dict], path: Path) -> None:
    """Losses, learning rate and validation metrics over the steps."""
    train = [r for r in records if 'loss' in r]
    metrics = [r for r in records if 'loss' not in r and 'step' in r]
    figure, axes = plt.subplots(1, 3, figsize=(15, 4), layout='constrained')
    for name in sorted({key for r in train for key in r if 'loss' in key}):
        points = [(r['step'], r[name]) for r in train if name in r]
        axes[0].plot(*zip(*points), label=name)
    axes[0].set(title='loss', xlabel='step', yscale='log')
    axes[1].plot([r['step'] for r in train], [r['lr'] for r in train], color='tab:gray')
    axes[1].set(title='learning rate', xlabel='step')
    for name in sorted({key for r in metrics for key in r if '/' in key}):
        points = [(r['step'], r[name]) for r in metrics if name in r]
        axes[2].plot(*zip(*points), marker='o', label=name)
    axes[2].set(title='validation', xlabel='step', ylim=(0, 1))
    for axis in (axes[0], axes[2]):
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[0]:
            axis.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description='Plot the training curves of a run.')
    parser.add_argument('work_dir', type=Path)
    parser.add_argument('out', nargs='?', type=Path, help='picture to write (default: WORK_DIR/curves.png)')
    args = parser.parse_args()
    records = read_log(args.work_dir)
    if not any('loss' in record for record in records):
        sys.exit(f'error: {args.work_dir} has no log of a training run (*/vis_data/scalars.json)')
    out = args.out or args.work_dir / 'curves.png'
    if not out.parent.is_dir():
        sys.exit(f'error: there is no folder {out.parent} to write to')
    plot(records, out)
    print(f'training curves: {out}')


if __name__ == '__main__':
    main()
