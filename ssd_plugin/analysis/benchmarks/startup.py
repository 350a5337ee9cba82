"""Time to the first batch of a dataset as large as COCO, and the memory of the process and its workers.

Each dataset is measured in a separate process,
``python -m ssd_plugin.analysis.benchmarks.startup TYPE ANNOTATION IMAGES WORKERS CACHE``, which prints its figures as
JSON.
"""

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from mmdet.registry import DATASETS, HOOKS
from mmengine.dataset import InfiniteSampler
from mmengine.registry import FUNCTIONS, init_default_scope
from torch.utils.data import DataLoader

import ssd_plugin  # noqa: F401 - makes MMDetection importable when this module is run

IMAGES, BOXES, CATEGORIES = 118287, 860001, 80
TINY = (64, 512)
FILES = 16
BATCHES = 20
STOCK, OURS = 'CocoDataset', 'SharedCocoDataset'


def generate(path: Path, images: int, boxes: int) -> None:
    """Write a COCO annotation with random boxes and without masks, whose images refer to a few files.

    Args:
        path: File to write.
        images: Number of images.
        boxes: Number of boxes.
    """
    random = np.random.RandomState(0)
    sizes = random.randint(300, 641, (images, 2))
    owners = np.sort(random.randint(images, size=boxes))
    fractions = random.uniform(0, 1, (boxes, 4))
    sides = np.maximum(fractions[:, 2:] * sizes[owners], 2)
    corners = fractions[:, :2] * (sizes[owners] - sides).clip(0)
    boxed = np.concatenate([corners, sides], axis=1).round(2).tolist()
    labels = random.randint(1, CATEGORIES + 1, boxes).tolist()
    content = dict(
        images=[
            dict(
                id=index * 5 + 9,
                file_name=f'{index % FILES}.jpg',
                width=int(width),
                height=int(height),
                license=1,
                coco_url=f'http://images.cocodataset.org/train2017/{index:012d}.jpg',
                date_captured='2013-11-14 17:02:52',
            )
            for index, (width, height) in enumerate(sizes)
        ],
        annotations=[
            dict(
                id=index + 1,
                image_id=int(owner) * 5 + 9,
                category_id=label,
                bbox=box,
                area=round(box[2] * box[3], 2),
                iscrowd=0,
            )
            for index, (owner, label, box) in enumerate(zip(owners, labels, boxed))
        ],
        categories=[dict(id=index + 1, name=f'class {index}', supercategory='thing') for index in range(CATEGORIES)],
    )
    path.write_text(json.dumps(content))


def compare(workers: int) -> Iterator[tuple[str, float, float]]:
    """Measure each way to read a large COCO annotation.

    Args:
        workers: Number of worker processes of the dataloader.

    Yields:
        Name, seconds to the first batch, and the memory of all processes in MB, minus that with a tiny dataset.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texture = cv2.resize(np.random.RandomState(0).randint(0, 256, (48, 64, 3), dtype=np.uint8), (640, 480))
        for index in range(FILES):
            cv2.imwrite(str(folder / f'{index}.jpg'), texture)
        generate(folder / 'large.json', IMAGES, BOXES)
        generate(folder / 'tiny.json', *TINY)
        for title, kind, cache in (
            (STOCK, STOCK, 'none'),
            (f'{OURS}, first run', OURS, 'cache'),
            (f'{OURS}, later', OURS, 'cache'),
        ):
            floor, large = (
                _run(kind, folder / f'{size}.json', folder, workers, folder / cache) for size in ('tiny', 'large')
            )
            yield title, large['seconds'], large['memory'] - floor['memory']


def _run(kind: str, annotation: Path, images: Path, workers: int, cache: Path) -> dict[str, float]:
    """Run :func:`measure` in a separate process."""
    arguments = [kind, str(annotation), str(images), str(workers), str(cache)]
    command = [sys.executable, '-W', 'ignore', '-m', __name__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(kind: str, annotation: str, images: str, workers: int, cache: str) -> dict[str, float]:
    """Measure how a dataset starts.

    Args:
        kind: Registered type of the dataset.
        annotation: Annotation file.
        images: Folder of the images.
        workers: Number of worker processes of the dataloader.
        cache: Folder for the cache of ``SharedCocoDataset``.

    Returns:
        ``seconds`` from building the dataset to the first batch, and ``memory`` of this process and its workers in MB
        after some batches.
    """
    init_default_scope('mmdet')
    begin = time.perf_counter()
    dataset = DATASETS.build(
        dict(
            type=kind,
            ann_file=annotation,
            data_prefix=dict(img=images),
            metainfo=dict(classes=[f'class {index}' for index in range(CATEGORIES)]),
            filter_cfg=dict(filter_empty_gt=True),
            pipeline=[
                dict(type='LoadEncodedImage'),
                dict(type='LoadAnnotations', with_bbox=True, box_type=None),
                dict(type='FusedSSDAugment', scale=(300, 300)),
                dict(type='PackDetInputs'),
            ],
            **(dict(cache_dir=cache) if kind == OURS else {}),
        )
    )
    loader = DataLoader(
        dataset,
        32,
        sampler=InfiniteSampler(dataset),
        num_workers=workers,
        collate_fn=FUNCTIONS.get('stack_collate'),
        persistent_workers=True,
    )
    if kind == OURS:
        # Ours checks all boxes before training, which counts; MMDetection does not.
        HOOKS.build(dict(type='UnusableBoxesHook')).before_train(
            SimpleNamespace(train_dataloader=loader, logger=logging.getLogger(__name__))
        )
    batches = iter(loader)
    next(batches)
    seconds = time.perf_counter() - begin
    for _ in range(BATCHES):
        next(batches)
    return dict(seconds=seconds, memory=sum(map(_memory, _family(Path('/proc/self').resolve().name))) / 1e6)


def _family(process: str) -> list[str]:
    """Return the ids of a process and its descendants."""
    children = [
        child for task in Path(f'/proc/{process}/task').iterdir() for child in (task / 'children').read_text().split()
    ]
    return [process] + [member for child in children for member in _family(child)]


def _memory(process: str) -> int:
    """Return the proportional set size (PSS) of a process in bytes: shared memory counts in proportion."""
    text = Path(f'/proc/{process}/smaps_rollup').read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line.startswith('Pss:'))


if __name__ == '__main__':
    name, annotation, images, workers, cache = sys.argv[1:]
    print(json.dumps(measure(name, annotation, images, int(workers), cache)))
