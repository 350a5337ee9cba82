"""Objects of a config's datasets in pixels of the network's input, as annotated and as the augmentation gives them."""

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.registry import DATASETS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from torch import Tensor
from tqdm import tqdm

from ssd_plugin.configs import SPLITS, datasets_of_splits, leaf_datasets
from ssd_plugin.datasets.annotations.box_rules import usable
from ssd_plugin.datasets.transforms.image_decoding import decode, read_file
from ssd_plugin.errors import UserError

# Fraction of the training images that are held out where a config has no second split.
HELD_OUT = 0.2


class Objects(NamedTuple):
    """Objects of a dataset.

    Attributes:
        boxes: ``(N, 4)`` xyxy in pixels of the input.
        labels: ``(N,)`` int64.
        images: ``(N,)`` int64, ascending, the number of each object's image.
        classes: Names of the classes.
    """

    boxes: Tensor
    labels: Tensor
    images: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.boxes)

    @property
    def sizes(self) -> Tensor:
        """``(N, 2)`` widths and heights in pixels of the input."""
        return self.boxes[:, 2:] - self.boxes[:, :2]


class Splits(NamedTuple):
    """The datasets of a config that priors are tuned and judged on.

    Attributes:
        training: Config of the dataset to tune on, in its wrappers.
        unseen: Configs of the datasets to judge on, without wrappers.
        name: What the second split is, for messages.
    """

    training: dict
    unseen: list[dict]
    name: str

    @property
    def training_leaves(self) -> list[dict]:
        """Configs of the datasets to tune on, without wrappers."""
        return [leaf for _, leaf in leaf_datasets(self.training)]


def splits_of(cfg: Config, seed: int) -> Splits:
    """Return the training split of a config and its validation split, or else its test split.

    Images that training reads are left out of them. Where none remains, a fraction of the training images is held out.

    Args:
        cfg: Complete config.
        seed: Seed of the images that are held out.

    Raises:
        UserError: There is no training split, or too few images to hold some out.
    """
    if not cfg.get('train_dataloader'):
        raise UserError(f'{cfg.filename} has no train_dataloader, whose objects the priors are tuned on')
    training = copy.deepcopy(cfg.train_dataloader.dataset)
    trained = {path for _, leaf in leaf_datasets(training) for path in _image_paths(leaf)}
    for split in SPLITS[1:]:
        leaves = [copy.deepcopy(leaf) for _, leaf in datasets_of_splits(cfg, (split,))]
        paths = [_image_paths(leaf) for leaf in leaves]
        # trainval contains val, for example.
        unseen = [[index for index, path in enumerate(found) if path not in trained] for found in paths]
        if any(unseen):
            for leaf, found, kept in zip(leaves, paths, unseen):
                if len(kept) < len(found):
                    leaf['indices'] = _subset(leaf, kept)
            return Splits(training, [leaf for leaf, kept in zip(leaves, unseen) if kept], f'the {split} split')
    held_out = []
    random = np.random.default_rng(seed)
    for key, leaf in leaf_datasets(training, 'train_dataloader.dataset'):
        order = random.permutation(len(_image_paths(leaf)))
        count = max(round(HELD_OUT * len(order)), 1)
        if len(order) < 2:
            raise UserError(
                f'{key} has {len(order)} image(s), and the config no second split: there is none to hold out'
            )
        held_out.append({**leaf, 'indices': _subset(leaf, sorted(order[:count].tolist()))})
        leaf['indices'] = _subset(leaf, sorted(order[count:].tolist()))
    name = f'{HELD_OUT:.0%} of the training images, held out by seed {seed} since the config has no second split'
    return Splits(training, held_out, name)


def _image_paths(leaf: dict) -> list[str]:
    """Return the image files of a dataset without wrappers."""
    dataset = _built(leaf)
    return [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]


def _subset(leaf: dict, positions: list[int]) -> list[int]:
    """Return the ``indices`` that select some of the images of a dataset, which may have ``indices`` already."""
    given = leaf.get('indices')
    return positions if given is None or isinstance(given, int) else [given[position] for position in positions]


def _built(dataset: dict) -> Any:
    """Return a dataset that reads annotations alone."""
    options = {**dataset, 'pipeline': []}
    # Options of the augmentation that the pipeline no longer has.
    options.pop('augment', None)
    return DATASETS.build(options)


def annotated_objects(leaves: list[dict], input_size: tuple[int, int], with_ignored: bool) -> Objects:
    """Return the objects of datasets as annotated, in images resized to the input.

    Args:
        leaves: Configs of datasets without wrappers.
        input_size: (width, height) of the input.
        with_ignored: Whether objects with an ignore flag are among them.
    """
    parts, classes = [], ()
    for options in leaves:
        dataset = _built(options)
        classes = tuple(dataset.metainfo['classes'])
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            chosen = [found for found in info['instances'] if with_ignored or not found.get('ignore_flag')]
            corners = np.array([found['bbox'] for found in chosen], float).reshape(-1, 4)
            size = (info['width'], info['height']) if info.get('width') else _size_of_file(info['img_path'])
            keep = usable(corners, size)
            labels = np.array([found['bbox_label'] for found in chosen], int)
            parts.append((corners[keep] * (np.array(input_size) / size)[[0, 1, 0, 1]], labels[keep]))
    return _concatenated(((torch.from_numpy(boxes), torch.from_numpy(labels)) for boxes, labels in parts), classes)


def _size_of_file(path: str) -> tuple[int, int]:
    """Return the (width, height) of an image whose annotation does not state it."""
    height, width = decode(read_file(path)).shape[:2]
    return width, height


def augmented_objects(dataset: dict, number: int, seed: int, with_ignored: bool) -> Objects:
    """Return the objects of training samples, as the pipeline of the config augments them.

    Args:
        dataset: Config of the training dataset.
        number: Number of samples.
        seed: Seed of the augmentation.
        with_ignored: Whether objects with an ignore flag are among them.
    """
    built = DATASETS.build(copy.deepcopy(dataset))
    np.random.seed(seed)
    torch.manual_seed(seed)
    rounds = -(-number // len(built))
    order = np.concatenate([np.random.permutation(len(built)) for _ in range(rounds)])[:number]

    def samples() -> Iterator[tuple[Tensor, Tensor]]:
        for index in tqdm(order.tolist(), desc='augmenting images', disable=None):
            sample = built[index]['data_samples']
            for part in (sample.gt_instances, sample.ignored_instances)[: 1 + with_ignored]:
                boxes = get_box_tensor(part.bboxes).double()
                # Ignored objects may have no class.
                keep = (part.labels >= 0) & (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
                yield boxes[keep], part.labels[keep]

    return _concatenated(samples(), tuple(built.metainfo['classes']))


def _concatenated(parts: Any, classes: tuple[str, ...]) -> Objects:
    """Return the objects of several images, given as boxes and labels."""
    pairs = list(parts)
    boxes = torch.cat([torch.zeros(0, 4, dtype=torch.float64), *(boxes for boxes, _ in pairs)]).float()
    labels = torch.cat([torch.zeros(0, dtype=torch.long), *(labels for _, labels in pairs)])
    counts = torch.tensor([len(labels) for _, labels in pairs], dtype=torch.long)
    return Objects(boxes, labels, torch.arange(len(pairs)).repeat_interleave(counts), classes)
