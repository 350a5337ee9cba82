"""All ground-truth boxes of a dataset at once."""

from collections.abc import Sized
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class BoxTable:
    """The ground-truth boxes of a dataset.

    Attributes:
        boxes: ``(N, 4)`` xyxy in pixels.
        images: ``(N,)`` index of each box's image in the dataset.
        labels: ``(N,)`` class of each box, -1 where the annotation has none.
        sizes: ``(images, 2)`` width and height of the images, NaN where the annotation has no size.
    """

    boxes: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray


# Two protocols, checked at run time: any dataset may lack either method, and a PyTorch dataset has neither.
@runtime_checkable
class DetectionDataset(Sized, Protocol):
    """The interface of MMDetection's datasets."""

    def get_data_info(self, idx: int) -> dict:
        """Return the annotation of an image."""


@runtime_checkable
class HasGroundTruthBoxes(Protocol):
    """A dataset that can return all boxes faster than image by image."""

    def ground_truth_boxes(self) -> BoxTable:
        """Return all ground-truth boxes."""


def ground_truth_boxes(dataset: DetectionDataset) -> BoxTable:
    """Return all ground-truth boxes of a dataset."""
    return dataset.ground_truth_boxes() if isinstance(dataset, HasGroundTruthBoxes) else collect_boxes(dataset)


def collect_boxes(dataset: DetectionDataset) -> BoxTable:
    """Return all ground-truth boxes of a dataset, from the annotation of each image."""
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    instances = [info.get('instances', ()) for info in infos]
    return BoxTable(
        np.array([instance['bbox'] for row in instances for instance in row], float).reshape(-1, 4),
        np.repeat(np.arange(len(infos)), [len(row) for row in instances]),
        np.array([instance.get('bbox_label', -1) for row in instances for instance in row], int),
        np.array([(info.get('width', np.nan), info.get('height', np.nan)) for info in infos], float).reshape(-1, 2),
    )
