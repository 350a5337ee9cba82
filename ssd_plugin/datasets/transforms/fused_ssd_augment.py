"""The augmentation of SSD in one resampling pass."""

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor

from ssd_plugin.datasets.annotations.box_rules import usable

from .image_decoding import reduction
from .photometric_distortion import distort
from .window_choice import CONSTRAINTS, crop, zoom_out
from .window_sampling import NOTHING, Part, area, fit, frame, move, snap

INTERPOLATIONS = dict(
    nearest=cv2.INTER_NEAREST,
    bilinear=cv2.INTER_LINEAR,
    area=cv2.INTER_AREA,
    bicubic=cv2.INTER_CUBIC,
    lanczos=cv2.INTER_LANCZOS4,
)
# OpenCV's codes.
FLIPS = dict(horizontal=1, vertical=0, diagonal=-1)


@TRANSFORMS.register_module()
class FusedSSDAugment(BaseTransform):
    """Zoom-out, IoU-constrained crop, resize, flip and photometric distortion with the distributions of the original release (SSD
    paper, sections 2.2 and 3.6), in place of ``Expand``, ``MinIoURandomCrop``, ``Resize``, ``RandomFlip`` and
    ``PhotoMetricDistortion``.

    The window that the image will show is chosen among boxes, and moved by less than a pixel to begin and end on whole ones; then the
    network's input is sampled from the original image once, and its colours are changed, before or after, where there are fewer
    pixels. Pixels outside the original image are ``fill`` and stay it. After ``LoadEncodedImage`` a JPEG is decoded at 1/2, 1/4 or 1/8
    where the result shows it even smaller.

    Objects whose centre the window shows are kept, cut at its border, but for those without area or outside the image; every
    per-instance field (``gt_*`` with one entry for each object) follows.

    Args:
        scale: (width, height) of the result.
        fill: colour outside the image, red first, the mean that the data preprocessor subtracts.
        zoom_out_prob: probability of zooming out.
        zoom_out_ratio: range of the window's sides over the image's.
        constraints: of the crop, equally likely: lowest IoU with an object, 0 for any patch, ``None`` for no crop.
        crop_scale: range of the square root of the patch's area, as a share of the window's.
        crop_aspect: range of the patch's share of the width over that of the height.
        crop_tries: patches drawn for a constraint.
        flip_prob: probability of a flip, or of each direction.
        flip_direction: ``'horizontal'``, ``'vertical'``, ``'diagonal'`` (both), or as many of them as there are probabilities.
        brightness: largest shift, in levels.
        contrast: range of the factor.
        saturation: range of the factor.
        hue: largest turn, in degrees.
        interpolation: ``'nearest'``, ``'bilinear'``, ``'area'``, ``'bicubic'``, ``'lanczos'``, or several of them, one drawn for each
            image as in the original release.
        reduced_decoding: decode a share of a JPEG where that is enough.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        fill: Sequence[float] = (123.675, 116.28, 103.53),
        zoom_out_prob: float = 0.5,
        zoom_out_ratio: tuple[float, float] = (1.0, 4.0),
        constraints: Sequence[float | None] = CONSTRAINTS,
        crop_scale: tuple[float, float] = (0.3, 1.0),
        crop_aspect: tuple[float, float] = (0.5, 2.0),
        crop_tries: int = 50,
        flip_prob: float | Sequence[float] = 0.5,
        flip_direction: str | Sequence[str] = 'horizontal',
        brightness: float = 32.0,
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: float = 18.0,
        interpolation: str | Sequence[str] = 'bilinear',
        reduced_decoding: bool = True,
    ):
        names = [interpolation] if isinstance(interpolation, str) else list(interpolation)
        unknown = [name for name in names if name not in INTERPOLATIONS]
        if unknown or not names:
            raise ValueError(f'interpolation must be of {", ".join(INTERPOLATIONS)}, got {interpolation!r}')
        if len(constraints) == 0:
            raise ValueError('constraints must not be empty; (None, ) is no crop')
        directions = [flip_direction] if isinstance(flip_direction, str) else list(flip_direction)
        probs = list(flip_prob) if isinstance(flip_prob, Sequence) else [flip_prob / len(directions)] * len(directions)
        if len(probs) != len(directions) or sum(probs) > 1 + 1e-9 or not set(directions) <= set(FLIPS):
            raise ValueError(
                f'flip_direction must be of {", ".join(FLIPS)}, with a probability each, 1 in all at most; got '
                f'{flip_direction!r} and {flip_prob!r}'
            )
        self.scale = tuple(scale)
        # OpenCV's images have blue first, in whole levels.
        self.fill = tuple(round(level) for level in reversed(fill))
        self.zoom_out_prob = zoom_out_prob
        self.zoom_out_ratio = zoom_out_ratio
        self.crop_options = dict(
            constraints=tuple(constraints), scale_range=crop_scale, aspect_range=crop_aspect, tries=crop_tries
        )
        self.flips = dict(zip(directions, probs))
        self.colors = dict(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        self.interpolations = [INTERPOLATIONS[name] for name in names]
        self.reduced_decoding = reduced_decoding

    def transform(self, results: dict, scale: tuple[int, int] | None = None) -> dict | None:
        """MMDetection's ``results`` with ``encoded_img`` or ``img`` (H, W, 3) uint8, and ``gt_bboxes`` if there are any, to the same
        with ``img`` and ``window``, the part (x1, y1, x2, y2) of the image that is shown, in its pixels; ``None`` for an image that is
        damaged.

        Args:
            results: of one image.
            scale: (width, height) of the result, if not the usual.

        Raises:
            TypeError: there is ground truth that follows no boxes (masks, key points).
        """
        for name in ('gt_masks', 'gt_seg_map', 'gt_keypoints'):
            if name in results:
                raise TypeError(f'FusedSSDAugment moves boxes, but not {name}; take it out of LoadAnnotations')
        scale = self.scale if scale is None else scale
        # MMEngine seeds NumPy's generator in each worker.
        random = np.random
        encoded = results.pop('encoded_img', None)
        width, height = encoded.size if encoded is not None else results['img'].shape[1::-1]
        boxes = results.get('gt_bboxes')
        corners = np.zeros((0, 4)) if boxes is None else np.asarray(get_box_tensor(boxes), dtype=np.float64)

        keep = usable(corners, (width, height))
        window = self._choose_window(width, height, corners[keep], random)
        direction = self._choose_flip(random)
        flip = FLIPS.get(direction)
        interpolation = self.interpolations[int(random.random_sample() * len(self.interpolations))]

        reduced = 1
        if encoded is not None:
            reduced = reduction(window[2:] - window[:2], scale) if self.reduced_decoding else 1
            results['img'] = encoded.decode(reduced)
            if results['img'] is None:
                return None
        snapped, source, target = snap(window / reduced, results['img'].shape[1::-1], scale)
        snapped *= reduced
        shown = self._shown(results['img'], source, target, flip, interpolation, random)
        results['img'] = frame(shown, target, scale, flip, self.fill)
        results['img_shape'] = scale[::-1]
        results['window'] = tuple(snapped.tolist())
        results['scale_factor'] = tuple((scale / (snapped[2:] - snapped[:2])).tolist())
        results['flip'], results['flip_direction'] = direction is not None, direction
        if boxes is not None:
            centers = (corners[:, :2] + corners[:, 2:]) / 2
            keep &= ((centers > window[:2]) & (centers < window[2:])).all(axis=1)
            _keep_instances(results, keep)
            moved = move(corners[keep], snapped, scale, flip).astype(np.float32)
            results['gt_bboxes'] = HorizontalBoxes(moved) if isinstance(boxes, HorizontalBoxes) else moved
        return results

    def _choose_window(self, width: int, height: int, boxes: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """(x1, y1, x2, y2) in pixels of the image."""
        window = np.array([0.0, 0.0, width, height])
        if random.random_sample() < self.zoom_out_prob:
            window = zoom_out(width, height, self.zoom_out_ratio, random)
        return crop(window, boxes, random=random, **self.crop_options)

    def _choose_flip(self, random: np.random.RandomState) -> str | None:
        """Direction, if any."""
        drawn = random.random_sample()
        for direction, prob in self.flips.items():
            if drawn < prob:
                return direction
            drawn -= prob
        return None

    def _shown(
        self,
        image: np.ndarray,
        source: Part,
        target: Part,
        flip: int | None,
        interpolation: int,
        random: np.random.RandomState,
    ) -> np.ndarray | None:
        """A part of the image as the result shows it: resized, flipped, and with its colours changed, where there are fewer pixels."""
        if target == NOTHING:
            return None
        shown = image[source[1] : source[3], source[0] : source[2]]
        steps = [
            partial(distort, random=random, **self.colors),
            partial(fit, target=target, flip=flip, interpolation=interpolation),
        ]
        for step in steps if area(source) < area(target) else steps[::-1]:
            shown = step(shown)
        return shown

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, zoom_out={self.zoom_out_prob} x {self.zoom_out_ratio}, '
            f'crop={self.crop_options}, flips={self.flips}, colors={self.colors})'
        )


def _keep_instances(results: dict, keep: np.ndarray) -> None:
    """Take the other objects out of every field that has one entry for each of them."""
    for name, values in results.items():
        if name.startswith('gt_') and hasattr(values, '__getitem__') and len(values) == len(keep):
            results[name] = (
                [v for v, k in zip(values, keep) if k] if isinstance(values, (list, tuple)) else values[keep]
            )
