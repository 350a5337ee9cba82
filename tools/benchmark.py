"""Measure this package beside MMDetection's own SSD and torchvision's ssd300_vgg16, in one process, in turn.

python tools/benchmark.py loss|predict|train-step|infer|pipeline|startup [--batch N] [--classes N] [--objects N] [--device cuda] [--json FILE]
python tools/benchmark.py loss --sweep objects --plot objects.png
"""

import argparse
import json
import platform
import tempfile
from dataclasses import replace
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import cv2
import torch

from ssd_plugin.analysis.benchmarks import cases, startup
from ssd_plugin.analysis.benchmarks.cases import FLOOR, Setting
from ssd_plugin.analysis.benchmarks.peers import OURS
from ssd_plugin.analysis.benchmarks.reencoded_photos import encode_again
from ssd_plugin.analysis.benchmarks.timing import Timing, compare
from ssd_plugin.cli.arguments import at_least_one
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.errors import UserError

SWEEPS = {'batch': (1, 4, 16, 32, 64), 'classes': (1, 20, 80), 'objects': (1, 3, 10, 30, 100, 300, 500)}
AMP = {'bf16': torch.bfloat16, 'fp16': torch.float16}


def size_of(text: str) -> tuple[int, int]:
    """(width, height) of a text like 500x375."""
    width, height = (int(side) for side in text.split('x'))
    return width, height


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure beside MMDetection's own SSD and torchvision's.")
    parser.add_argument('case', choices=['loss', 'predict', 'train-step', 'infer', 'pipeline', 'startup'])
    parser.add_argument('--batch', type=at_least_one, help='images (default: 32; infer: 1; train-step on a CPU: 4)')
    parser.add_argument('--classes', type=at_least_one, default=20, help='classes without the background (default: 20)')
    parser.add_argument('--objects', type=int, default=10, help='objects in an image (default: 10)')
    parser.add_argument(
        '--model',
        choices=['depthwise', 'ssd300'],
        default='depthwise',
        help='infer: the detector; ssd300 has peers (default: depthwise)',
    )
    parser.add_argument('--data', type=Path, help='pipeline: folder in VOC layout')
    parser.add_argument(
        '--photos',
        metavar='WIDTHxHEIGHT',
        type=size_of,
        help='pipeline: shrink the photographs to this size first, and encode them with quality 90',
    )
    parser.add_argument('--workers', type=at_least_one, default=8, help='startup: processes that load (default: 8)')
    parser.add_argument(
        '--rounds',
        type=at_least_one,
        help='calls of each that count (default: 30; train-step on a CPU: 5; pipeline: 1000)',
    )
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--amp', choices=list(AMP), help='train-step, infer: automatic mixed precision')
    parser.add_argument('--channels-last', action='store_true', help='train-step, infer: memory layout of all networks')
    parser.add_argument('--compile', action='store_true', help='train-step, infer: torch.compile of all networks')
    parser.add_argument('--sweep', choices=list(SWEEPS), help='repeat for several values')
    parser.add_argument(
        '--plot', type=Path, help='with --sweep: picture of how the cost grows (default: benchmark_CASE_SWEEP.png)'
    )
    parser.add_argument('--threads', type=at_least_one, help='threads of PyTorch on the CPU')
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    return parser.parse_args()


def functions_of(args: argparse.Namespace, setting: Setting) -> dict[str, cases.Functions]:
    """What to measure, by title."""
    if args.case == 'loss':
        return {'loss': cases.loss(setting), 'loss and its gradients': cases.loss(setting, gradients=True)}
    if args.case == 'predict':
        return {
            f'predict, {name} scores': cases.predict(setting, trained)
            for name, trained in (('untrained', False), ('trained-like', True))
        }
    if args.case == 'train-step':
        return {'train-step, SSD300': cases.train_step(setting)}
    if args.case == 'pipeline':
        return {'pipeline, an image': cases.pipeline(str(args.data))}
    if args.model == 'depthwise':
        return {'infer, depthwise 320x240': cases.infer(setting, 'ssd_plugin::ssd_depthwise_320x240_voc.py')}
    return {'infer, SSD300': cases.infer(setting)}


def show_pipeline(title: str, times: dict[str, Timing]) -> None:
    """A table of means: what an image costs differs from image to image by chance."""
    print(f'\n{title}')
    for name, t in times.items():
        ratio = '' if name == OURS else f'  {t.mean / times[OURS].mean:6.2f}x ours'
        print(f'  {name:18} {t.mean:9.2f} ms in the mean  {1000 / t.mean:6.0f} images/s{ratio}')


def show_startup(workers: int) -> None:
    """A table, a line as soon as it is there."""
    print(
        f'{startup.IMAGES} images with {startup.BOXES} boxes, {workers} workers; memory is that of all processes, beyond a tiny data set'
    )
    first = None
    for name, seconds, memory in startup.compare(workers):
        first = first or (seconds, memory)
        ratio = f'  {seconds / first[0]:.2f} of the time, {memory / first[1]:.3f} of the memory'
        print(f'  {name:28} {seconds:6.1f} s to the first batch  {memory:7.1f} MB{ratio}', flush=True)


def show(title: str, setting: Setting, times: dict[str, Timing]) -> None:
    """A table: medians, quartiles, and how much longer than ours."""
    print(f'\n{title}: batch {setting.batch}, {setting.classes} classes, {setting.objects} objects an image')
    ours = times[OURS].median
    floor = times[FLOOR].median if FLOOR in times else None
    for name, t in times.items():
        ratio = '' if name == OURS else f'  {t.median / ours:6.2f}x ours'
        share = (
            f'  {100 * floor / t.median:4.0f}% is the network alone'
            if floor and t.median >= floor and name != FLOOR
            else ''
        )
        print(f'  {name:16} {t.median:9.2f} ms  ({t.low:.2f} to {t.high:.2f}){ratio}{share}')


def draw(path: Path, sweep: str, results: list[dict]) -> None:
    """Cost over the swept value, a panel for each title."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    titles = list(dict.fromkeys(row['title'] for row in results))
    figure, axes = pyplot.subplots(1, len(titles), figsize=(6 * len(titles), 4.5), squeeze=False)
    for axis, title in zip(axes[0], titles):
        rows = [row for row in results if row['title'] == title]
        for name in rows[0]['times']:
            values = [row[sweep] for row in rows]
            medians, lows, highs, _ = zip(*(row['times'][name] for row in rows))
            (line,) = axis.plot(values, medians, marker='o', label=name)
            axis.fill_between(values, lows, highs, alpha=0.2, color=line.get_color())
        axis.set(
            title=title,
            xlabel={'objects': 'objects in an image', 'batch': 'images', 'classes': 'classes'}[sweep],
            ylabel='milliseconds',
            xscale='log',
            yscale='log',
        )
        axis.grid(True, which='both', alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserError('--device cuda: there is no GPU that PyTorch can use')
    if args.case == 'pipeline' and not (args.data and args.data.is_dir()):
        raise UserError(f'pipeline needs --data FOLDER, a data set in VOC layout; got {args.data}')
    if args.case == 'startup':
        show_startup(args.workers)
    elif args.photos:
        with tempfile.TemporaryDirectory() as folder:
            encode_again(args.data, Path(folder), args.photos, quality=90)
            args.data = Path(folder)
            measure(args, device)
    else:
        measure(args, device)


def measure(args: argparse.Namespace, device: torch.device) -> None:
    """Run the case, print its table, and write what is asked for."""
    if args.case == 'pipeline':
        # As in a worker of a loader.
        cv2.setNumThreads(0)
        torch.set_num_threads(1)
    elif args.threads:
        torch.set_num_threads(args.threads)
    slow = args.case == 'train-step' and device.type == 'cpu'
    batch = args.batch or (1 if args.case == 'infer' else 4 if slow else 32)
    rounds = args.rounds or (5 if slow else 1000 if args.case == 'pipeline' else 30)
    setting = Setting(batch, args.classes, args.objects, device, AMP.get(args.amp), args.channels_last, args.compile)
    name = (
        torch.cuda.get_device_name(device)
        if device.type == 'cuda'
        else f'{torch.get_num_threads()} threads, {platform.machine()}'
    )
    shown = 'means' if args.case == 'pipeline' else 'medians and quartiles'
    print(f'torch {torch.__version__} on {device.type}: {name}; {shown} of {rounds} rounds')

    results = []
    for value in SWEEPS[args.sweep] if args.sweep else [None]:
        varied = setting if value is None else replace(setting, **{args.sweep: value})
        torch.manual_seed(0)
        for title, functions in functions_of(args, varied).items():
            times = compare(functions, rounds, device, title)
            if args.case == 'pipeline':
                show_pipeline(title, times)
            else:
                show(title, varied, times)
            results.append(
                dict(
                    title=title,
                    batch=varied.batch,
                    classes=varied.classes,
                    objects=varied.objects,
                    device=name,
                    times=times,
                )
            )
    if args.sweep:
        path = args.plot or Path(f'benchmark_{args.case}_{args.sweep}.png')
        draw(path, args.sweep, results)
        print(f'\nplot: {path}')
    if args.json:
        rows = [{**row, 'times': {key: t._asdict() for key, t in row['times'].items()}} for row in results]
        args.json.write_text(json.dumps(rows, indent=1))
        print(f'figures: {args.json}')


if __name__ == '__main__':
    exit_on_user_error(main)
