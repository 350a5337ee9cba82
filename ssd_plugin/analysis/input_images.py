"""Images at the size of a network's input, with the objects of their dataset."""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmdet.registry import DATASETS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from torch import Tensor

from ssd_plugin.configs import datasets_of_splits
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, read_file
from ssd_plugin.errors import UserError

# Level of the blank image, light gray.
BLANK = 235


class ImageObjects(NamedTuple):
    """Objects of an image, those with an ignore flag last.

    Attributes:
        boxes: ``(G, 4)`` xyxy in pixels of the input.
        labels: ``(G,)`` int64.
        ignored: ``(G,)`` bool, the ignore flags.
        names: Name of the class of each object.
    """

    boxes: Tensor
    labels: Tensor
    ignored: Tensor
    names: list[str]


class InputImage(NamedTuple):
    """Image at the size of the network's input.

    Attributes:
        pixels: ``(H, W, 3)`` uint8 RGB.
        name: File name, or what is shown instead.
        objects: Its objects; ``None`` for an image that belongs to no dataset.
    """

    pixels: np.ndarray
    name: str
    objects: ImageObjects | None = None


def blank(size: tuple[int, int]) -> InputImage:
    """Return a gray image of a (width, height)."""
    return InputImage(np.full((size[1], size[0], 3), BLANK, np.uint8), 'no image')


def of_file(path: str, size: tuple[int, int]) -> InputImage:
    """Return the image in a file, resized to a (width, height).

    Raises:
        UserError: The file is missing, or not an image.
    """
    try:
        image = decode(read_file(path))
    except FileNotFoundError as error:
        raise UserError(f'--image {path}: there is no such file') from error
    except UnreadableImage as error:
        raise UserError(f'--image {path} cannot be read: {error}') from error
    return InputImage(cv2.resize(image, size)[..., ::-1], Path(path).name)


def of_dataset(cfg: Config, split: str, which: int | str, size: tuple[int, int]) -> InputImage:
    """Return an image of a dataset with its objects, resized to a (width, height) as for training, not augmented.

    Args:
        cfg: Complete config.
        split: ``'train'``, ``'val'`` or ``'test'``.
        which: Index of the image in the split, or its file name with or without folder and suffix.
        size: (width, height) of the input.

    Raises:
        UserError: The split or the image does not exist.
    """
    # The pipelines of evaluation keep objects in pixels of the original image, those of training augment.
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale=size, keep_ratio=False),
        dict(type='PackDetInputs', meta_keys=('img_path',)),
    ]
    datasets = []
    for _, options in datasets_of_splits(cfg, (split,)):
        options = copy.deepcopy(options)
        # Options of the augmentation that the pipeline no longer has.
        options.pop('augment', None)
        datasets.append(DATASETS.build({**options, 'pipeline': pipeline}))
    if not datasets:
        raise UserError(f'{cfg.filename} has no {split}_dataloader')
    dataset, index = _by_index(datasets, split, which) if isinstance(which, int) else _by_name(datasets, split, which)
    return _with_objects(dataset[index], dataset.metainfo['classes'])


def _by_index(datasets: list[Any], split: str, index: int) -> tuple[Any, int]:
    """Return the dataset of several concatenated ones that has an index, and the index in it."""
    total = sum(map(len, datasets))
    if not 0 <= index < total:
        raise UserError(f'--index {index}: the {split} split has images 0 to {total - 1}')
    for dataset in datasets:
        if index < len(dataset):
            break
        index -= len(dataset)
    return dataset, index


def _by_name(datasets: list[Any], split: str, name: str) -> tuple[Any, int]:
    """Return the first dataset that has an image of a name, and the index of the image in it."""
    for dataset in datasets:
        for index in range(len(dataset)):
            path = Path(dataset.get_data_info(index)['img_path'])
            if name in (str(path), path.name, path.stem):
                return dataset, index
    raise UserError(f'--name {name}: the {split} split has no such image')


def _with_objects(sample: dict[str, Any], classes: tuple[str, ...]) -> InputImage:
    """Return a packed sample as an image with its objects."""
    packed = sample['data_samples']
    parts = [packed.gt_instances, packed.ignored_instances]
    labels = torch.cat([part.labels for part in parts])
    objects = ImageObjects(
        torch.cat([get_box_tensor(part.bboxes) for part in parts]),
        labels,
        torch.arange(len(labels)) >= len(parts[0]),
        [classes[label] for label in labels.tolist()],
    )
    pixels = np.ascontiguousarray(sample['inputs'].numpy()[::-1].transpose(1, 2, 0))
    return InputImage(pixels, Path(packed.img_path).name, objects)
