"""Detections of one image: thresholds, suppressed classes, and the figure."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.apis import inference_detector
from mmdet.models.detectors import BaseDetector
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torchvision.ops import clip_boxes_to_image

from ssd_plugin.errors import UserError


def check_fraction(name: str, value: float | None) -> None:
    """Check that a threshold is in 0..1, or ``None``.

    Raises:
        UserError: It is not.
    """
    if value is not None and not 0 <= value <= 1:
        hint = f'; {value:g}% is {value / 100:g}' if 1 < value <= 100 else ''
        raise UserError(f'{name} must be in 0..1, got {value:g}{hint}')


@dataclass(frozen=True)
class DetectionOptions:
    """Thresholds in place of those of the config, each ``None`` for the config's, and classes to suppress.

    Attributes:
        min_score: Lowest score of a detection (``test_cfg.score_thr``).
        max_overlap: IoU of two boxes of a class above which the lower-scoring one is dropped
            (``test_cfg.nms.iou_threshold``).
        top_k: Largest number of detections in an image, the best (``test_cfg.max_per_img``).
        suppress: Names of classes whose detections are dropped; they do not count for ``top_k``.

    Raises:
        UserError: A value is out of its range.
    """

    min_score: float | None = None
    max_overlap: float | None = None
    top_k: int | None = None
    suppress: Sequence[str] = ()

    def __post_init__(self) -> None:
        # An iterator would be used up by the first look.
        object.__setattr__(self, 'suppress', tuple(self.suppress or ()))
        check_fraction('min_score', self.min_score)
        check_fraction('max_overlap', self.max_overlap)
        if self.top_k is not None and self.top_k < 1:
            raise UserError(
                f'top_k must be 1 or more, got {self.top_k}; without it there are as many as the config says'
            )

    def suppressed_labels(self, classes: Sequence[str]) -> list[int]:
        """Return the labels of the suppressed classes.

        Args:
            classes: Names of the detector's classes.

        Raises:
            UserError: A name is not one of them.
        """
        unknown = [name for name in self.suppress if name not in classes]
        if unknown:
            raise UserError(
                f'suppress names {", ".join(map(repr, unknown))}, but the classes of the model are: '
                f'{", ".join(classes)}'
            )
        return [label for label, name in enumerate(classes) if name in self.suppress]

    def test_cfg(self, given: Mapping[str, Any] | None) -> ConfigDict:
        """Return the ``test_cfg`` of a head with these thresholds."""
        cfg = ConfigDict(given or {})
        if self.min_score is not None:
            cfg.score_thr = self.min_score
        if self.max_overlap is not None:
            cfg.nms = {'type': 'nms', **(cfg.get('nms') or {}), 'iou_threshold': self.max_overlap}
        if self.top_k is not None:
            cfg.max_per_img = self.top_k
        return cfg


# The settings of the config.
CONFIGURED = DetectionOptions()


def predict(model: BaseDetector, image: np.ndarray, options: DetectionOptions = CONFIGURED) -> InstanceData:
    """Return the detections in an image.

    Args:
        model: Single-stage detector of ``mmdet.apis.init_detector``.
        image: ``(H, W, 3)`` uint8 BGR.
        options: Thresholds and suppressed classes.

    Returns:
        ``bboxes`` ``(N, 4)``, xyxy in pixels of the image, ``scores`` ``(N,)`` and ``labels`` ``(N,)`` on the CPU,
        highest score first.

    Raises:
        UserError: A class to suppress is unknown.
    """
    suppressed = options.suppressed_labels(model.dataset_meta['classes'])
    with _test_cfg(model, options) as limit:
        found = inference_detector(model, image).pred_instances.cpu()
    if suppressed:
        found = found[~torch.isin(found.labels, torch.tensor(suppressed))]
        found = found if limit < 0 else found[:limit]
    return found


@contextmanager
def _test_cfg(model: BaseDetector, options: DetectionOptions) -> Iterator[int]:
    """Give the head of a model the thresholds of the options, and yield the number of detections wanted."""
    head = model.bbox_head
    given = head.test_cfg
    cfg = options.test_cfg(given)
    limit = cfg.get('max_per_img', -1)
    if options.suppress:
        # Detections of suppressed classes do not count.
        cfg.max_per_img = -1
    head.test_cfg = cfg
    try:
        yield limit
    finally:
        head.test_cfg = given


def draw(image: np.ndarray, instances: InstanceData, meta: dict[str, Any]) -> np.ndarray:
    """Return an image with boxes, class names, and scores in percent.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        instances: Detections as from :func:`predict`.
        meta: Metadata of the dataset with ``classes`` and ``palette``.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    if not len(instances):
        return image.copy()
    visualizer = VISUALIZERS.build(dict(type='DetLocalVisualizer', name='detect'))
    visualizer.dataset_meta = meta
    # The figure would grow with boxes that leave the image, which a coder without clip_border gives.
    shown = clip_boxes_to_image(instances.bboxes, (image.shape[0], image.shape[1]))
    sample = DetDataSample(pred_instances=InstanceData(bboxes=shown, scores=instances.scores, labels=instances.labels))
    with warnings.catch_warnings():
        # The visualizer warns of boxes that end at the border of the image.
        warnings.filterwarnings('ignore', 'Warning: The .* is out of bounds')
        # It drops scores equal to its threshold too.
        visualizer.add_datasample('detections', image, sample, draw_gt=False, pred_score_thr=-1.0)
    return visualizer.get_image()
