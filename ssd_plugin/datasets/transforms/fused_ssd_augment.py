"""The augmentation of SSD in one resampling pass."""

import math
from collections.abc import Sequence
from functools import partial
from numbers import Real
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor

from ssd_plugin.datasets.annotations.box_rules import usable
from ssd_plugin.option_ranges import check_counts, check_fractions, check_number, is_range

from .image_decoding import reduction
from .instance_fields import keep_instances
from .photometric_distortion import check_distortion, distort
from .random_source import RandomSource
from .window_choice import CONSTRAINTS, check_crop, check_tile, choose_tile, crop, zoom_out
from .window_sampling import EMPTY, Part, area, fit, frame, homography, move, snap

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
    """Zoom-out, IoU-constrained crop, resize, flip and photometric distortion as in the original release.

    Replaces ``Expand``, ``MinIoURandomCrop``, ``Resize``, ``RandomFlip`` and ``PhotoMetricDistortion``, with the
    distributions of the original release (SSD paper, sections 2.2 and 3.6). Options select those of the PyTorch SSD
    tutorial (sgrvinod/a-PyTorch-Tutorial-to-Object-Detection, ``utils.py``): ``crop_sampling='sides'``,
    ``color_jitter='torchvision'``, ``brightness=(0.5, 1.5)`` and ``hue=18 / 255 * 360``.

    The window that the result shows is chosen by the boxes alone, and moved by less than a pixel so that it starts and
    ends on whole pixels. The network's input is then sampled from the original image once. Photometric distortion runs
    before or after resizing, whichever touches fewer pixels, and sees only the part that is shown; pixels outside the
    original image keep the ``fill`` color.
    After ``LoadEncodedImage``, a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where the result needs no more.

    An object is kept if the window contains its center. It is clipped at the window's border, and every per-instance
    field (``gt_*`` with one entry for each object) follows. Objects without area or outside the image are dropped.

    Args:
        scale: (width, height) of the result.
        fill: RGB color outside the image, which is the mean that the data preprocessor subtracts.
        zoom_out_prob: Probability of zooming out.
        zoom_out_ratio: Range of the ratio of the window's sides to the image's.
        constraints: Constraints of the crop, equally likely: the lowest IoU with an object, 0 for any patch, ``None``
            for no crop.
        crop_scale: Range of the patch's size as a fraction of the window's: of the square root of the area
            (``'area'``), or of each side (``'sides'``).
        crop_aspect: Range of the patch's aspect ratio: of its sides as fractions of the window's (``'area'``), or of
            its sides in pixels, without the ends of the range (``'sides'``).
        crop_tries: Number of patches drawn for a constraint.
        crop_sampling: ``'area'`` draws area and aspect ratio, each within its range. ``'sides'`` draws the sides in
            whole pixels independently of each other; a patch outside ``crop_aspect`` is a try that failed. The window
            shown then has exactly the sides drawn, unless the image is zoomed out or decoded at reduced resolution:
            snapping to pixels changes the sides by up to about a percent, which may exceed the ranges by as much.
        flip_prob: Probability of a flip, or of each direction.
        flip_direction: ``'horizontal'``, ``'vertical'``, ``'diagonal'`` (both), or a list with one for each
            probability.
        color_jitter: How colors change, each of brightness, contrast, saturation and hue with probability 1/2.
            ``'release'`` shifts brightness first, and multiplies levels (contrast) before or after the saturation of
            HSV. ``'torchvision'`` makes torchvision's adjustments in random order. Its contrast keeps the mean gray
            level, here that of the part shown; the tutorial distorts the whole image before it crops.
        brightness: Largest shift, in levels (``'release'``), or range of the factor (``'torchvision'``).
        contrast: Range of the factor.
        saturation: Range of the factor.
        hue: Largest rotation, in degrees.
        interpolation: ``'nearest'``, ``'bilinear'``, ``'area'``, ``'bicubic'``, ``'lanczos'``, or a list, one of which
            is drawn for each image as in the original release.
        reduced_decoding: Decode a JPEG at reduced resolution where that suffices.
        tile: (width, height) in pixels of the image of a window that is augmented in place of the whole image, for
            small objects in large images: the size of the windows in which they are detected (``test_cfg.tiles``).
            Zoom-out and crop change it; zooming out shows what surrounds it. ``None`` for the whole image.
        tile_around_object: Probability that the tile is placed around an object; otherwise it is anywhere, and may show
            none.

    Raises:
        ValueError: An option is out of its range.
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
        crop_sampling: str = 'area',
        flip_prob: float | Sequence[float] = 0.5,
        flip_direction: str | Sequence[str] = 'horizontal',
        color_jitter: str = 'release',
        brightness: float | tuple[float, float] = 32.0,
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: float = 18.0,
        interpolation: str | Sequence[str] = 'bilinear',
        reduced_decoding: bool = True,
        tile: tuple[int, int] | None = None,
        tile_around_object: float = 0.9,
    ) -> None:
        names = [interpolation] if isinstance(interpolation, str) else list(interpolation)
        if not names or not set(names) <= set(INTERPOLATIONS):
            raise ValueError(
                f'interpolation must be one or several of {", ".join(INTERPOLATIONS)}, got {interpolation!r}'
            )
        if isinstance(scale, Real) or len(scale) != 2:
            raise ValueError(f'scale must be (width, height) in pixels, got {scale!r}')
        for side in scale:
            check_counts(scale=side)
        if isinstance(fill, Real) or len(fill) != 3:
            raise ValueError(f'fill must be three levels of 0..255, got {fill!r}')
        for level in fill:
            check_number('fill', level, 0, 255)
        check_fractions(zoom_out_prob=zoom_out_prob)
        if not is_range(zoom_out_ratio, 1, math.inf):
            raise ValueError(f'zoom_out_ratio must be two increasing numbers of 1 or more, got {zoom_out_ratio!r}')
        directions = [flip_direction] if isinstance(flip_direction, str) else list(flip_direction)
        for prob in flip_prob if isinstance(flip_prob, Sequence) else [flip_prob]:
            check_fractions(flip_prob=prob)
        probs = list(flip_prob) if isinstance(flip_prob, Sequence) else [flip_prob / len(directions)] * len(directions)
        if len(probs) != len(directions) or sum(probs) > 1 + 1e-9 or not set(directions) <= set(FLIPS):
            raise ValueError(
                f'flip_direction must be one or several of {", ".join(FLIPS)}, and flip_prob their probabilities, '
                f'whose sum is at most 1; got {flip_direction!r} and {flip_prob!r}'
            )
        check_crop(constraints, crop_tries, crop_sampling, crop_scale, crop_aspect)
        check_tile(tile, tile_around_object)
        check_distortion(color_jitter, brightness, contrast, saturation, hue)
        self.scale = (scale[0], scale[1])
        # OpenCV's images are BGR, in whole levels.
        self.fill = tuple(round(level) for level in reversed(fill))
        self.zoom_out_prob = zoom_out_prob
        self.zoom_out_ratio = zoom_out_ratio
        self.crop_options: dict[str, Any] = dict(
            constraints=tuple(constraints),
            scale_range=crop_scale,
            aspect_range=crop_aspect,
            tries=crop_tries,
            sampling=crop_sampling,
        )
        self.flips = dict(zip(directions, probs))
        self.colors: dict[str, Any] = dict(
            method=color_jitter, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue
        )
        self.interpolations = [INTERPOLATIONS[name] for name in names]
        self.reduced_decoding = reduced_decoding
        self.tile = tile
        self.tile_around_object = tile_around_object

    def transform(self, results: dict[str, Any], scale: tuple[int, int] | None = None) -> dict[str, Any] | None:
        """Augment a sample of MMDetection's pipelines.

        Args:
            results: Sample with ``encoded_img`` or ``img`` ``(H, W, 3)`` BGR, uint8 or floats that hold whole levels
                from 0 to 255, and perhaps ``gt_bboxes``.
            scale: (width, height) of the result, if not that of the transform.

        Returns:
            The sample with ``img`` ``(height, width, 3)`` of the type it had, ``img_shape``, ``scale_factor``,
            ``flip``, ``flip_direction``, ``homography_matrix`` ``(3, 3)``, which takes pixels of the original image to
            those of the result, and ``window``, the part (x1, y1, x2, y2) that is shown, in pixels of the original
            image; ``None`` for a damaged image.

        Raises:
            TypeError: The sample has ground truth that this transform cannot move: masks or keypoints.
            ValueError: The image has other values than levels.
        """
        for name in ('gt_masks', 'gt_seg_map', 'gt_keypoints'):
            if name in results:
                raise TypeError(
                    f'FusedSSDAugment cannot transform {name}, only boxes; do not load it in LoadAnnotations'
                )
        scale = self.scale if scale is None else scale
        # The global generator, which MMEngine seeds in each worker.
        random: RandomSource = np.random
        encoded = results.pop('encoded_img', None)
        width, height = encoded.size if encoded is not None else results['img'].shape[1::-1]
        boxes = results.get('gt_bboxes')
        corners = np.zeros((0, 4)) if boxes is None else np.asarray(get_box_tensor(boxes), dtype=np.float64)

        keep = usable(corners, (width, height))
        window = self._choose_window(width, height, corners[keep], random)
        direction = self._choose_flip(random)
        flip = None if direction is None else FLIPS[direction]
        interpolation = self.interpolations[int(random.random_sample() * len(self.interpolations))]

        reduced = 1
        if encoded is not None:
            reduced = reduction(tuple(window[2:] - window[:2]), scale) if self.reduced_decoding else 1
            results['img'] = encoded.decode(reduced)
            if results['img'] is None:
                return None
        image = results['img']
        snapped, source, target = snap(window / reduced, image.shape[1::-1], scale)
        snapped *= reduced
        pixels = self._sample(_levels(image), source, target, flip, interpolation, random)
        # The memory layout is that of frame.
        results['img'] = frame(pixels, target, scale, flip, self.fill).astype(image.dtype, copy=False)
        results['img_shape'] = scale[::-1]
        results['window'] = tuple(snapped.tolist())
        results['scale_factor'] = tuple((scale / (snapped[2:] - snapped[:2])).tolist())
        results['flip'], results['flip_direction'] = direction is not None, direction
        matrix = homography(snapped, scale, flip)
        # As MMDetection's transforms do, after others that were before this one.
        earlier = results.get('homography_matrix')
        results['homography_matrix'] = matrix if earlier is None else matrix @ earlier
        if boxes is not None:
            centers = (corners[:, :2] + corners[:, 2:]) / 2
            keep &= ((centers > window[:2]) & (centers < window[2:])).all(axis=1)
            keep_instances(results, keep)
            moved = move(corners[keep], snapped, scale, flip).astype(np.float32)
            results['gt_bboxes'] = HorizontalBoxes(moved) if isinstance(boxes, HorizontalBoxes) else moved
        return results

    def _choose_window(self, width: int, height: int, boxes: np.ndarray, random: RandomSource) -> np.ndarray:
        """Return the window (x1, y1, x2, y2) to show, in pixels of the image.

        Args:
            width: Width of the image.
            height: Height of the image.
            boxes: ``(N, 4)`` usable objects.
            random: Source of random numbers.
        """
        window = np.array([0.0, 0.0, width, height])
        if self.tile is not None:
            window = choose_tile(width, height, boxes, self.tile, self.tile_around_object, random)
        if random.random_sample() < self.zoom_out_prob:
            w, h = (window[2:] - window[:2]).tolist()
            window = zoom_out(w, h, self.zoom_out_ratio, random) + np.tile(window[:2], 2)
        if self.tile is not None:
            centers = (boxes[:, :2] + boxes[:, 2:]) / 2
            boxes = boxes[((centers > window[:2]) & (centers < window[2:])).all(axis=1)]
        return crop(window, boxes, random=random, **self.crop_options)

    def _choose_flip(self, random: RandomSource) -> str | None:
        """Return the direction of the flip, ``None`` for no flip."""
        drawn = random.random_sample()
        for direction, prob in self.flips.items():
            if drawn < prob:
                return direction
            drawn -= prob
        return None

    def _sample(
        self,
        image: np.ndarray,
        source: Part,
        target: Part,
        flip: int | None,
        interpolation: int,
        random: RandomSource,
    ) -> np.ndarray | None:
        """Resize, flip and distort the part of the image that is shown; ``None`` if the window misses the image."""
        if target == EMPTY:
            return None
        pixels = image[source[1] : source[3], source[0] : source[2]]
        steps = [
            partial(distort, random=random, **self.colors),
            partial(fit, target=target, flip=flip, interpolation=interpolation),
        ]
        # Photometric distortion runs where there are fewer pixels.
        for step in steps if area(source) < area(target) else reversed(steps):
            pixels = step(pixels)
        return pixels

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(scale={self.scale}, zoom_out={self.zoom_out_prob} x {self.zoom_out_ratio}, '
            f'crop={self.crop_options}, flips={self.flips}, colors={self.colors}, tile={self.tile})'
        )


def _levels(image: np.ndarray) -> np.ndarray:
    """Return an image as uint8.

    Raises:
        ValueError: It has other values than whole levels from 0 to 255.
    """
    if image.dtype == np.uint8:
        return image
    with np.errstate(invalid='ignore'):
        levels = image.astype(np.uint8)
    if (levels != image).any():
        raise ValueError(
            f'FusedSSDAugment takes images of whole levels from 0 to 255, as uint8 or float (to_float32), but this one '
            f'is {image.dtype} with values from {image.min():g} to {image.max():g}; put the step that changes levels '
            'after it'
        )
    return levels
