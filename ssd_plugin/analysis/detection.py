"""Detection in image files, with figures and results in the layout of COCO."""

import glob
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmcv
from mmdet.models.detectors import BaseDetector
from mmengine.structures import InstanceData
from tqdm import tqdm

from ssd_plugin.datasets.image_files import is_image
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, read_file
from ssd_plugin.errors import UserError
from ssd_plugin.files import write_atomically

from .figure_files import save_image
from .inference import CONFIGURED, DetectionOptions, draw, predict

VIDEOS = frozenset({'.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv', '.ts'})


@dataclass(frozen=True)
class DetectionRun:
    """Result of :func:`detect_files`.

    Attributes:
        coco: Images, detections (as annotations with a score) and categories, in the layout of COCO.
        unreadable: Files that could not be read as images, with the reason for each.
    """

    coco: dict[str, list[dict[str, Any]]]
    unreadable: dict[Path, str]


@dataclass(frozen=True)
class FoundImages:
    """Result of :func:`find_images`.

    Attributes:
        images: Files, in the order of the inputs and without duplicates.
        others: Files in the folders that are not images.
    """

    images: list[Path]
    others: list[Path]


def find_images(inputs: Sequence[str]) -> FoundImages:
    """Find the image files that inputs name.

    Args:
        inputs: Files, folders (whose image files are found at any depth, whatever their suffix) and globs.

    Raises:
        UserError: An input names no image, or a video.
    """
    found: dict[Path, None] = {}
    others: dict[Path, None] = {}
    for text in inputs:
        exists = Path(text).exists()
        paths = [Path(text)] if exists else sorted(Path(match) for match in glob.glob(text, recursive=True))
        files: list[Path] = []
        for path in paths:
            if not path.is_dir():
                files.append(path)
                continue
            for file in sorted(path.rglob('*')):
                if is_image(file):
                    files.append(file)
                elif file.is_file():
                    others[file] = None
        videos = [path for path in files if path.suffix.lower() in VIDEOS]
        if videos:
            raise UserError(
                f'{videos[0]} is a video, not an image. Extract its frames, for example with ffmpeg -i {videos[0]} '
                'FOLDER/%06d.jpg, and give the folder'
            )
        if not files:
            raise UserError(
                f'{text} names no image: it is a missing file, a folder without images, or a glob without matches'
            )
        found.update(dict.fromkeys(files))
    return FoundImages(list(found), [path for path in others if path not in found])


def figure_paths(images: Sequence[Path], folder: Path) -> list[Path]:
    """Return the path of the figure of each image: its own name in the folder, numbered where names repeat."""
    taken: set[str] = set()
    paths = []
    for image in images:
        name, number = image.stem, 1
        while name in taken:
            number += 1
            name = f'{image.stem}-{number}'
        taken.add(name)
        paths.append(folder / f'{name}.jpg')
    return paths


def coco_detections(image_id: int, instances: InstanceData, first_id: int) -> list[dict[str, Any]]:
    """Return the detections of one image as COCO annotations with a score.

    Args:
        image_id: Id of the image.
        instances: Predictions with ``bboxes`` ``(N, 4)`` xyxy, ``labels`` and ``scores`` ``(N,)``.
        first_id: Id of the first detection; the others follow.
    """
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


def detect_files(
    model: BaseDetector,
    images: Sequence[Path],
    folder: Path,
    draw_score: float | None = None,
    options: DetectionOptions = CONFIGURED,
) -> DetectionRun:
    """Detect objects in image files, and write ``detections.json`` and a figure of each image to a folder.

    Args:
        model: Detector of ``mmdet.apis.init_detector``.
        images: Files; those that cannot be read are skipped and reported.
        folder: Folder to write to, created if needed.
        draw_score: Lowest score drawn in the figures, ``None`` for no figures.
        options: Thresholds and suppressed classes.

    Raises:
        UserError: A class to suppress is unknown.
    """
    classes = model.dataset_meta['classes']
    # Raises before anything is written.
    options.suppressed_labels(classes)
    coco: dict[str, list[dict[str, Any]]] = dict(
        images=[], annotations=[], categories=[dict(id=i + 1, name=name) for i, name in enumerate(classes)]
    )
    unreadable: dict[Path, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    progress = tqdm(images, desc='detecting', disable=None)
    for number, (path, figure) in enumerate(zip(progress, figure_paths(images, folder)), start=1):
        try:
            image = decode(read_file(str(path)))
        except FileNotFoundError:
            unreadable[path] = 'it is missing'
            continue
        except UnreadableImage as error:
            unreadable[path] = str(error)
            continue
        found = predict(model, image, options)
        coco['images'].append(dict(id=number, file_name=str(path), height=image.shape[0], width=image.shape[1]))
        coco['annotations'] += coco_detections(number, found, len(coco['annotations']) + 1)
        if draw_score is not None:
            rgb = mmcv.imconvert(image, 'bgr', 'rgb')
            drawn = draw(rgb, found[found.scores >= draw_score], model.dataset_meta)
            save_image(mmcv.imconvert(drawn, 'rgb', 'bgr'), figure)
    write_atomically(folder / 'detections.json', lambda file: file.write(json.dumps(coco).encode()))
    return DetectionRun(coco, unreadable)
