"""Detection in overlapping windows of large images, each at the size of the network's input."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn import functional

from ssd_plugin.ops.boxes import clip_to_image
from ssd_plugin.ops.detections import Detections
from ssd_plugin.ops.tiles import merge_windows, tile_windows


class TileSettings(NamedTuple):
    """Settings of detection in windows: ``test_cfg.tiles`` of a config.

    Attributes:
        input_size: (width, height) of the network's input, to which windows are resized.
        size: (width, height) of a window in pixels of the image.
        overlap: Lowest overlap of neighboring windows as a fraction of their side. Objects smaller than the overlap are
            whole in a window.
        batch_size: Number of windows that the network sees at once.
    """

    input_size: tuple[int, int]
    size: tuple[int, int]
    overlap: float = 0.25
    batch_size: int = 8


def tile_settings(given: Mapping[str, Any], input_size: int | Sequence[int] | None) -> TileSettings:
    """Return the settings of ``test_cfg.tiles``, checked.

    Args:
        given: ``test_cfg.tiles``. By default a window has the size of the network's input.
        input_size: Side or (width, height) of the network's input, if the model knows it.

    Raises:
        ValueError: A value is out of its range, or the size of the input is unknown.
    """
    options = dict(given)
    options.setdefault('input_size', (input_size, input_size) if isinstance(input_size, int) else input_size)
    if options['input_size'] is None:
        raise ValueError(
            'test_cfg.tiles lacks input_size, the (width, height) of the input of the network, which its prior '
            'generator does not know'
        )
    options.setdefault('size', options['input_size'])
    for name in ('input_size', 'size'):
        sides = options[name]
        if not (isinstance(sides, Sequence) and len(sides) == 2 and all(isinstance(n, int) and n > 0 for n in sides)):
            raise ValueError(f'test_cfg.tiles.{name} must be (width, height) in pixels, got {sides!r}')
        options[name] = tuple(sides)
    settings = TileSettings(**options)
    if not 0 <= settings.overlap < 1:
        raise ValueError(f'test_cfg.tiles.overlap must be a fraction of 0 or more and below 1, got {settings.overlap}')
    if settings.batch_size < 1:
        raise ValueError(f'test_cfg.tiles.batch_size must be 1 or more, got {settings.batch_size}')
    return settings


def predict_tiled(
    detector: SingleStageDetector, images: Tensor, sizes: Sequence[tuple[int, int]], settings: TileSettings
) -> list[InstanceData]:
    """Return the detections of images, made in windows and merged.

    The thresholds are those of ``test_cfg``. ``max_per_img`` limits the detections of a window and those of an image.

    Args:
        detector: Single-stage detector.
        images: ``(B, C, H, W)``, as the data preprocessor gives them: normalized, and padded to one size.
        sizes: (height, width) of each image without the padding.
        settings: Settings of the windows.

    Returns:
        Per image ``bboxes`` ``(N, 4)``, xyxy in pixels, ``scores`` and ``labels`` ``(N,)``, highest score first.
    """
    cfg = ConfigDict({name: value for name, value in detector.bbox_head.test_cfg.items() if name != 'tiles'})
    windows = [tile_windows((width, height), settings.size, settings.overlap) for height, width in sizes]
    found = _in_windows(detector, images, sizes, windows, settings, cfg)
    results = []
    for (height, width), corners in zip(sizes, windows):
        parts = [next(found) for _ in corners]
        merged = merge_windows(
            Detections(*(torch.cat(fields) for fields in zip(*parts))),
            torch.repeat_interleave(torch.tensor([len(part.scores) for part in parts])).to(images.device),
            corners.to(images.device),
            (width, height),
            (cfg.get('nms') or {}).get('iou_threshold'),
            cfg.get('max_per_img', -1),
        )
        results.append(InstanceData(bboxes=merged.boxes, scores=merged.scores, labels=merged.labels))
    return results


def _in_windows(
    detector: SingleStageDetector,
    images: Tensor,
    sizes: Sequence[tuple[int, int]],
    windows: Sequence[Tensor],
    settings: TileSettings,
    cfg: ConfigDict,
) -> Iterator[Detections]:
    """Yield the detections of each window of each image, in pixels of the image and clipped to it."""
    width, height = settings.input_size
    factor = images.new_tensor(settings.size, dtype=torch.float32) / images.new_tensor([width, height])
    places = [(index, corners) for index, rows in enumerate(windows) for corners in rows.tolist()]
    for start in range(0, len(places), settings.batch_size):
        batch = places[start : start + settings.batch_size]
        pixels = torch.cat([_cut(images[index], sizes[index], corners) for index, corners in batch])
        if settings.size != settings.input_size:
            # As OpenCV resizes images in the pipelines.
            pixels = functional.interpolate(pixels, (height, width), mode='bilinear', align_corners=False)
        maps = detector.bbox_head(detector.extract_feat(pixels))
        shape = (height, width)
        metas = [dict(img_shape=shape, batch_input_shape=shape, scale_factor=(1.0, 1.0))] * len(batch)
        for (index, corners), found in zip(batch, detector.bbox_head.predict_by_feat(*maps, metas, cfg=cfg)):
            corner = images.new_tensor(corners[:2], dtype=torch.float32)
            boxes = (get_box_tensor(found.bboxes).view(-1, 2, 2) * factor + corner).flatten(1)
            yield Detections(clip_to_image(boxes, *sizes[index]), found.scores, found.labels)


def _cut(image: Tensor, size: tuple[int, int], window: Sequence[int]) -> Tensor:
    """Return a window of an image as ``(1, C, h, w)``; what lies outside the image has the mean color."""
    (left, top, right, bottom), (height, width) = window, size
    part = image[:, top : min(bottom, height), left : min(right, width)].unsqueeze(0)
    return functional.pad(part, (0, max(right - width, 0), 0, max(bottom - height, 0)))
