"""Find what is wrong with a data set before training on it.

python tools/check_dataset.py data/bccd [--config configs/bccd/ssd_depthwise_bccd.py] [--fix FOLDER] [--picture FILE]
python tools/check_dataset.py --config configs/ssd300_coco.py

Ends with status 0 when training is safe, 1 when it would stop or learn what is wrong, 2 when there is nothing to check.
"""

import argparse
import re
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import ssd_plugin  # noqa: F401 - first: makes MMDetection importable

# isort: split
import torch
from mmdet.registry import TASK_UTILS
from mmengine.registry import init_default_scope

from ssd_plugin.analysis import dataset_issues, dataset_sources, prior_coverage
from ssd_plugin.analysis.image_scan import read_all
from ssd_plugin.cli.data_paths import check_data_paths
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations.paused_gc import without_gc
from ssd_plugin.datasets.annotations.records import KINDS, LEFT_OUT, NOTE, UNSAFE, Annotations, Fault
from ssd_plugin.datasets.unusable_data import MAX_SHARE
from ssd_plugin.errors import UserError
from ssd_plugin.files import check_target

DEFAULT_CONFIG = 'ssd_plugin::ssd300_voc.py'
HEADINGS = {
    UNSAFE: 'unsafe: training would stop, or learn what is wrong',
    LEFT_OUT: 'left out of training',
    NOTE: 'worth a look',
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Find what is wrong with a data set before training on it.')
    parser.add_argument(
        'data',
        nargs='?',
        type=Path,
        help='folder in the layout of VOC, COCO, WIDER FACE or the PyTorch tutorial, or a '
        'JSON file; by default what --config names',
    )
    parser.add_argument(
        '--config',
        help=f'its classes are the known ones, its priors are compared (default: the priors of {DEFAULT_CONFIG})',
    )
    parser.add_argument('--images', type=Path, help="folder of a JSON file's images")
    parser.add_argument(
        '--fix', type=Path, metavar='FOLDER', help='write a repaired copy of the annotation to this folder'
    )
    parser.add_argument(
        '--picture',
        type=Path,
        default=Path('check_dataset.png'),
        help='sizes and aspect ratios against the priors (default: check_dataset.png)',
    )
    parser.add_argument('--few', type=int, default=10, help='mention classes with fewer objects (default: 10)')
    parser.add_argument(
        '--max-listed', type=int, default=10, help='faults of a kind that are listed (default: 10; 0 for all)'
    )
    parser.add_argument('--skip-files', action='store_true', help='do not read the image files')
    args = parser.parse_args()
    if args.data is None and args.config is None:
        parser.error('give a folder, a JSON file or --config')
    return args


def show(found: list[Fault], most: int) -> None:
    """The faults by kind, the worst first."""
    by_kind = defaultdict(list)
    for fault in sorted(
        found, key=lambda fault: [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', fault.where)]
    ):
        by_kind[fault.kind].append(fault)
    for severity, heading in HEADINGS.items():
        kinds = [kind for kind in KINDS if KINDS[kind] == severity and kind in by_kind]
        if kinds:
            print(f'\n{heading}')
        for kind in kinds:
            print(f'  {kind}: {len(by_kind[kind])}')
            listed = by_kind[kind][: most or None]
            for fault in listed:
                print(f'    {fault}')
            if len(listed) < len(by_kind[kind]):
                print(f'    ... and {len(by_kind[kind]) - len(listed)} more (--max-listed 0 shows all)')


def is_safe(found: list[Fault], pictures: int, boxes: int) -> bool:
    """Whether training does what it should."""
    if any(KINDS[fault.kind] == UNSAFE for fault in found):
        return False
    left_out = [fault for fault in found if KINDS[fault.kind] == LEFT_OUT]
    images = sum(fault.kind in ('missing image', 'unreadable image') for fault in left_out)
    return images <= MAX_SHARE * pictures and len(left_out) - images <= MAX_SHARE * max(boxes, 1)


def compare_with_priors(config: str, checked: list[tuple[Path, Annotations]], path: Path) -> None:
    """Print the share of objects that no prior reaches, and draw."""
    options = dict(read_config(config).model.bbox_head.prior_generator)
    options['clip'] = None
    generator = TASK_UTILS.build(options)
    priors = torch.cat(generator.grid_priors(generator.featmap_sizes, device='cpu'))
    boxes = prior_coverage.resized_boxes(
        [picture for _, annotations in checked for picture in annotations.pictures], generator.input_size
    )
    if not len(boxes):
        return
    best = prior_coverage.best_iou(boxes, priors)
    share = (best < prior_coverage.THRESHOLD).float().mean()
    title = f'{", ".join(str(name) for name, _ in checked)}, priors of {config}'
    prior_coverage.draw(path, boxes, priors, best, generator.input_size, title)
    print(
        f'\n{share:.1%} of {len(boxes)} objects have no prior of {config} with an IoU of {prior_coverage.THRESHOLD}: {path}'
    )


def write_copies(checked: list[tuple[Path, Annotations]], target: Path) -> None:
    """Each repaired annotation, whole or not at all."""
    if target.exists():
        raise UserError(f'{target} is there already; --fix writes to a new folder')
    unfinished = target.with_name(target.name + '.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    for name, annotations in checked:
        annotations.write(unfinished / name.name if len(checked) > 1 and name.suffix != '.json' else unfinished)
    unfinished.rename(target)
    print(f'\na repaired copy of the annotation is in {target}')


def main() -> bool:
    args = parse_args()
    init_default_scope('mmdet')
    check_target(args.picture)
    cfg = read_config(args.config, dict(data_root=str(args.data)) if args.data else None) if args.config else None
    if args.data is None:
        check_data_paths(cfg, ('train', 'val', 'test'))
    try:
        if args.data is None or (cfg is not None and args.data.is_dir()):
            checked = list(dataset_sources.of_config(cfg))
        else:
            checked = list(
                dataset_sources.of_path(args.data, args.images, dataset_sources.classes_of(cfg) if cfg else None)
            )
    except dataset_sources.UnknownLayout as error:
        raise UserError(str(error)) from error
    found, files, pictures, boxes = [], {}, 0, 0
    for name, annotations in checked:
        objects = sum(len(picture.boxes) for picture in annotations.pictures)
        print(f'{name}: {len(annotations.pictures)} images, {objects} objects')
        pictures, boxes = pictures + len(annotations.pictures), boxes + objects
        if not args.skip_files:
            files |= read_all(picture.path for picture in annotations.pictures if picture.path not in files)
        found += dataset_issues.find(annotations, files, args.few)
    found += dataset_issues.same_pictures(
        (picture for _, annotations in checked for picture in annotations.pictures), files
    )
    show(found, args.max_listed)
    compare_with_priors(args.config or DEFAULT_CONFIG, checked, args.picture)
    if args.fix:
        write_copies(checked, args.fix)
    safe = is_safe(found, pictures, boxes)
    notes = sum(KINDS[fault.kind] == NOTE for fault in found)
    print(f'\ntraining is {"safe" if safe else "NOT safe"}; faults: {len(found) - notes}, notes: {notes}')
    return safe


if __name__ == '__main__':
    try:
        with without_gc():
            safe = main()
        sys.exit(0 if safe else 1)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
