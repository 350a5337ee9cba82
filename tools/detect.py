"""Detect objects in images, and write figures with boxes and a COCO-style JSON file.

python tools/detect.py photo.jpg folder/ 'more/*.png' --config configs/ssd300_voc.py --checkpoint FILE [--out-dir DIR]
"""

import argparse
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import torch
from mmdet.apis import init_detector

from ssd_plugin.analysis.detection import detect_files, find_images
from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint


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
        '--draw-score', type=float, default=0.3, help='lowest score drawn in the figures (default: 0.3)'
    )
    parser.add_argument('--no-figures', '--no-pictures', action='store_true', help='write the JSON file only')
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='device (default: a GPU if there is one)',
    )
    return parser.parse_args()


def main() -> None:
    """Detect, and print a summary."""
    args = parse_args()
    images = find_images(args.inputs)
    check_checkpoint(args.checkpoint, '--checkpoint')
    cfg = read_config(args.config)
    for value, key in ((args.min_score, 'score_thr'), (args.top_k, 'max_per_img')):
        if value is not None:
            cfg.model.test_cfg[key] = value
    if args.max_overlap is not None:
        cfg.model.test_cfg.nms.iou_threshold = args.max_overlap
    with explained(cfg, args.checkpoint):
        model = init_detector(cfg, args.checkpoint, device=args.device)

    run = detect_files(model, images, args.out_dir, None if args.no_figures else args.draw_score)
    print(
        f'{len(run.coco["annotations"])} detections in {len(run.coco["images"])} image(s): '
        f'{args.out_dir / "detections.json"}' + ('' if args.no_figures else f', figures in {args.out_dir}')
    )
    if run.unreadable:
        listed = ', '.join(f'{path} ({reason})' for path, reason in run.unreadable.items())
        print(f'{len(run.unreadable)} file(s) could not be read as images: {listed}')
    if not run.coco['images']:
        raise UserError('none of the files could be read')


if __name__ == '__main__':
    exit_on_user_error(main)
