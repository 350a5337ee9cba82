"""Detect objects in images, and write figures with boxes and a COCO-style JSON file.

python tools/detect.py photo.jpg folder/ 'more/*.png' --config configs/ssd300_voc.py --checkpoint FILE [--out-dir DIR]
                       [--tiles [WIDTHxHEIGHT]]
"""

import argparse
from pathlib import Path

from ssd_plugin.analysis.detection import detect_files, find_images
from ssd_plugin.analysis.inference import DetectionOptions, check_fraction
from ssd_plugin.apis import load
from ssd_plugin.cli.arguments import add_tile_arguments, tiles_of
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.cli.machine_load import warn_if_crowded
from ssd_plugin.errors import UserError

DRAW_SCORE = 0.3
# Files that are not images.
MAX_NAMED = 5


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Detect objects in images.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='images, folders (searched at any depth) and globs')
    parser.add_argument(
        '--config', required=True, help='config file, or ssd_plugin::NAME for one that comes with the package'
    )
    parser.add_argument('--checkpoint', required=True, help='checkpoint file')
    parser.add_argument(
        '--out-dir',
        type=Path,
        default=Path('detections'),
        help='folder for figures and detections.json (default: detections)',
    )
    parser.add_argument('--min-score', type=float, help="lowest score of a detection (default: the config's score_thr)")
    parser.add_argument(
        '--max-overlap', type=float, help="IoU above which the lower score is dropped (default: the config's)"
    )
    parser.add_argument(
        '--top-k', type=int, help="largest number of detections in an image (default: the config's max_per_img)"
    )
    parser.add_argument(
        '--suppress',
        nargs='+',
        default=[],
        metavar='NAME',
        help='names of classes to leave out; INPUT goes before this option',
    )
    parser.add_argument(
        '--draw-score',
        type=float,
        help=f'lowest score drawn in the figures (default: --min-score if it is given, else {DRAW_SCORE})',
    )
    parser.add_argument('--no-figures', '--no-pictures', action='store_true', help='write the JSON file only')
    add_tile_arguments(parser)
    parser.add_argument('--device', help='device (default: a GPU if there is one)')
    parser.add_argument(
        '--ignore-mismatch',
        action='store_true',
        help='detect although the checkpoint does not fill the model, or was trained with other priors, box coder, '
        'mean or std',
    )
    return parser.parse_args()


def main() -> None:
    """Detect, and print a summary."""
    args = parse_args()
    options = DetectionOptions(args.min_score, args.max_overlap, args.top_k, args.suppress)
    draw_score = next((score for score in (args.draw_score, args.min_score) if score is not None), DRAW_SCORE)
    check_fraction('draw_score', draw_score)
    tiles = tiles_of(args)
    found = find_images(args.inputs)
    model = load(args.config, args.checkpoint, args.device, args.ignore_mismatch, tiles)
    warn_if_crowded()

    run = detect_files(model, found.images, args.out_dir, None if args.no_figures else draw_score, options)
    print(
        f'{len(run.coco["annotations"])} detections in {len(run.coco["images"])} image(s): '
        f'{args.out_dir / "detections.json"}' + ('' if args.no_figures else f', figures in {args.out_dir}')
    )
    if found.others:
        names = [str(path) for path in found.others[:MAX_NAMED]] + ['...'] * (len(found.others) > MAX_NAMED)
        print(f'{len(found.others)} other file(s) in the folders are not images: {", ".join(names)}')
    if run.unreadable:
        listed = ', '.join(f'{path} ({reason})' for path, reason in run.unreadable.items())
        print(f'{len(run.unreadable)} file(s) could not be read as images: {listed}')
    if not run.coco['images']:
        raise UserError('none of the files could be read')


if __name__ == '__main__':
    exit_on_user_error(main)
