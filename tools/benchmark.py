"""Compare the speed of this package with MMDetection's own SSD and torchvision's ssd300_vgg16, in one process, in turn.

python tools/benchmark.py loss|predict|train-step|infer|pipeline|startup [--batch N] [--classes N] [--objects N]
    [--device cuda] [--json FILE]
python tools/benchmark.py loss --sweep objects --plot objects.png
"""

import argparse
import platform
import tempfile
from dataclasses import replace
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import cv2
import torch

from ssd_plugin.analysis.benchmarks import cases, report
from ssd_plugin.analysis.benchmarks.cases import Setting
from ssd_plugin.analysis.benchmarks.reencoded_photos import reencode_images
from ssd_plugin.analysis.benchmarks.timing import compare
from ssd_plugin.cli.arguments import at_least_one
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.errors import UserError

SWEEPS = {'batch': (1, 4, 16, 32, 64), 'classes': (1, 20, 80), 'objects': (1, 3, 10, 30, 100, 300, 500)}
AMP = {'bf16': torch.bfloat16, 'fp16': torch.float16}


def size_of(text: str) -> tuple[int, int]:
    """Return (width, height) of a text such as 500x375."""
    width, height = (int(side) for side in text.split('x'))
    return width, height


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the speed with MMDetection's own SSD and torchvision's.")
    parser.add_argument('case', choices=['loss', 'predict', 'train-step', 'infer', 'pipeline', 'startup'])
    parser.add_argument(
        '--batch', type=at_least_one, help='number of images (default: 32; infer: 1; train-step on a CPU: 4)'
    )
    parser.add_argument('--classes', type=at_least_one, default=20, help='number of classes (default: 20)')
    parser.add_argument('--objects', type=int, default=10, help='number of objects per image (default: 10)')
    parser.add_argument(
        '--model',
        choices=['depthwise', 'ssd300'],
        default='depthwise',
        help='infer: the detector; ssd300 is compared with its peers (default: depthwise)',
    )
    parser.add_argument(
        '--data',
        type=Path,
        help='pipeline: dataset in VOC layout, with a list of its images (train, trainval, val or test.txt)',
    )
    parser.add_argument(
        '--photos',
        metavar='WIDTHxHEIGHT',
        type=size_of,
        help='pipeline: resize the images to this size first, and encode them with JPEG quality 90',
    )
    parser.add_argument(
        '--workers', type=at_least_one, default=8, help='startup: worker processes of the dataloader (default: 8)'
    )
    parser.add_argument(
        '--rounds',
        type=at_least_one,
        help='number of measured calls of each (default: 30; train-step on a CPU: 5; pipeline: 1000)',
    )
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--amp', choices=list(AMP), help='train-step, infer: automatic mixed precision')
    parser.add_argument('--channels-last', action='store_true', help='train-step, infer: memory layout of all networks')
    parser.add_argument('--compile', action='store_true', help='train-step, infer: torch.compile of all networks')
    parser.add_argument('--sweep', choices=list(SWEEPS), help='repeat for several values of a setting')
    parser.add_argument(
        '--plot',
        type=Path,
        help='with --sweep: figure of the times over the setting (default: benchmark_CASE_SWEEP.png)',
    )
    parser.add_argument('--threads', type=at_least_one, help='number of threads of PyTorch on the CPU')
    parser.add_argument('--json', type=Path, help='write the times to this file')
    return parser.parse_args()


def functions_of(args: argparse.Namespace, setting: Setting) -> dict[str, cases.Functions]:
    """Return the functions to measure, by title."""
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
        return {'pipeline, one image': cases.pipeline(str(args.data))}
    if args.model == 'depthwise':
        return {'infer, depthwise 320x240': cases.infer(setting, 'ssd_plugin::ssd_depthwise_320x240_voc.py')}
    return {'infer, SSD300': cases.infer(setting)}


def measure(args: argparse.Namespace, device: torch.device) -> None:
    """Run the case, print its tables, and write the files that were asked for."""
    pipeline = args.case == 'pipeline'
    if pipeline:
        # One thread, as in a worker of a dataloader.
        cv2.setNumThreads(0)
        torch.set_num_threads(1)
    elif args.threads:
        torch.set_num_threads(args.threads)
    slow = args.case == 'train-step' and device.type == 'cpu'
    batch = args.batch or (1 if args.case == 'infer' else 4 if slow else 32)
    rounds = args.rounds or (5 if slow else 1000 if pipeline else 30)
    setting = Setting(batch, args.classes, args.objects, device, AMP.get(args.amp), args.channels_last, args.compile)
    name = (
        torch.cuda.get_device_name(device)
        if device.type == 'cuda'
        else f'{torch.get_num_threads()} threads, {platform.machine()}'
    )
    statistics = 'means' if pipeline else 'medians and quartiles'
    print(f'torch {torch.__version__} on {device.type}: {name}; {statistics} of {rounds} rounds')

    results = []
    for value in SWEEPS[args.sweep] if args.sweep else [None]:
        varied = setting if value is None else replace(setting, **{args.sweep: value})
        torch.manual_seed(0)
        for title, functions in functions_of(args, varied).items():
            times = compare(functions, rounds, device, title)
            if pipeline:
                report.print_means(title, times)
            else:
                report.print_medians(title, varied, times)
            results.append(report.Measurement(title, varied.batch, varied.classes, varied.objects, name, times))
    if args.sweep:
        path = args.plot or Path(f'benchmark_{args.case}_{args.sweep}.png')
        report.draw_sweep(path, args.sweep, results)
        print(f'\nplot: {path}')
    if args.json:
        report.write_json(args.json, results)
        print(f'times: {args.json}')


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise UserError('--device cuda: PyTorch finds no GPU; use --device cpu')
    if args.case == 'pipeline':
        if not (args.data and args.data.is_dir()):
            raise UserError(f'pipeline needs --data FOLDER, a dataset in VOC layout; got {args.data}')
        cases.list_of_images(args.data)
    if args.case == 'startup':
        report.print_startup(args.workers)
    elif args.case == 'pipeline' and args.photos:
        with tempfile.TemporaryDirectory() as folder:
            reencode_images(args.data, Path(folder), args.photos, quality=90)
            args.data = Path(folder)
            measure(args, device)
    else:
        measure(args, device)


if __name__ == '__main__':
    exit_on_user_error(main)
