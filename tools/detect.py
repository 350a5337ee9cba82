"""Detect objects in images: pictures with boxes, and a COCO-style JSON file.

python tools/detect.py photo.jpg folder/ 'more/*.png' --config configs/ssd300_voc.py --checkpoint FILE [--out-dir detections]
"""

import argparse
import glob
import json
from collections.abc import Sequence
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import mmcv
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.registry import VISUALIZERS
from tqdm import tqdm

from ssd_plugin.cli.error_messages import exit_on_user_error, explained
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.image_files import SUFFIXES
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Detect objects in images.')
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='images, folders (searched to any depth) and globs')
    parser.add_argument(
        '--config', required=True, help='config file, or ssd_plugin::NAME for one that comes with the package'
    )
    parser.add_argument('--checkpoint', required=True, help='checkpoint file')
    parser.add_argument(
        '--out-dir', type=Path, default=Path('detections'), help='folder for pictures and detections.json'
    )
    parser.add_argument('--min-score', type=float, help="lowest score of a detection (default: the config's score_thr)")
    parser.add_argument(
        '--max-overlap', type=float, help="IoU above which the lower score is dropped (default: the config's)"
    )
    parser.add_argument('--top-k', type=int, help="most detections in an image (default: the config's max_per_img)")
    parser.add_argument(
        '--draw-score', type=float, default=0.3, help='lowest score drawn in the pictures (default: 0.3)'
    )
    parser.add_argument('--no-pictures', action='store_true', help='write the JSON file only')
    parser.add_argument(
        '--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='device (default: a GPU if any)'
    )
    return parser.parse_args()


def find_images(inputs: Sequence[str]) -> list[Path]:
    """Files that the inputs name, each once, in order. Folders give the files with a suffix of an image.

    Raises:
        UserError: an input names nothing.
    """
    found = {}
    for text in inputs:
        paths = (
            [Path(text)] if Path(text).exists() else sorted(Path(match) for match in glob.glob(text, recursive=True))
        )
        files = []
        for path in paths:
            files += sorted(f for f in path.rglob('*') if f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise UserError(
                f'{text} names no image: no such file, a folder without images, or a glob that matches nothing'
            )
        found.update(dict.fromkeys(files))
    return list(found)


def picture_paths(images: Sequence[Path], folder: Path) -> list[Path]:
    """Where the pictures go: the images' own names, numbered where two are alike."""
    taken, paths = set(), []
    for image in images:
        name, number = image.stem, 1
        while name in taken:
            number += 1
            name = f'{image.stem}-{number}'
        taken.add(name)
        paths.append(folder / f'{name}.jpg')
    return paths


def coco_detections(image_id: int, instances, first_id: int) -> list[dict]:
    """Detections of one image as COCO annotations with a score."""
    rows = zip(instances.bboxes.tolist(), instances.labels.tolist(), instances.scores.tolist())
    return [
        dict(
            id=first_id + i,
            image_id=image_id,
            category_id=label + 1,
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            iscrowd=0,
            score=score,
        )
        for i, ((x1, y1, x2, y2), label, score) in enumerate(rows)
    ]


def main() -> None:
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
    classes = model.dataset_meta['classes']
    visualizer = VISUALIZERS.build(dict(type='DetLocalVisualizer', name='detect'))
    visualizer.dataset_meta = model.dataset_meta

    coco = dict(images=[], annotations=[], categories=[dict(id=i + 1, name=name) for i, name in enumerate(classes)])
    unreadable = []
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for number, (path, picture) in enumerate(
        zip(tqdm(images, desc='detecting', disable=None), picture_paths(images, args.out_dir)), start=1
    ):
        image = mmcv.imread(str(path))
        if image is None:
            unreadable.append(path)
            continue
        sample = inference_detector(model, image)
        coco['images'].append(dict(id=number, file_name=str(path), height=image.shape[0], width=image.shape[1]))
        coco['annotations'] += coco_detections(number, sample.pred_instances, len(coco['annotations']) + 1)
        if not args.no_pictures:
            visualizer.add_datasample(
                picture.stem,
                mmcv.imconvert(image, 'bgr', 'rgb'),
                sample,
                draw_gt=False,
                pred_score_thr=args.draw_score,
                out_file=str(picture),
            )
    result = args.out_dir / 'detections.json'
    result.write_text(json.dumps(coco))
    print(
        f'{len(coco["annotations"])} detections in {len(coco["images"])} image(s): {result}'
        + ('' if args.no_pictures else f', pictures in {args.out_dir}')
    )
    if unreadable:
        print(f'{len(unreadable)} file(s) could not be read as images: ' + ', '.join(map(str, unreadable)))
        if len(unreadable) == len(images):
            raise UserError('none of the files could be read')


if __name__ == '__main__':
    exit_on_user_error(main)
