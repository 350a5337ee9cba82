"""The augmentation of SSD in one resampling pass."""
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, get_box_tensor

from .colors import distort
from .windows import CONSTRAINTS, crop, zoom_out

INTERPOLATIONS = dict(nearest=cv2.INTER_NEAREST, bilinear=cv2.INTER_LINEAR, bicubic=cv2.INTER_CUBIC, lanczos=cv2.INTER_LANCZOS4)


@TRANSFORMS.register_module()
class FusedSSDAugment(BaseTransform):
    """Zoom-out, IoU-constrained crop, resize, flip and photometric distortion with the distributions of the original release (SSD
    paper, sections 2.2 and 3.6), in place of ``Expand``, ``MinIoURandomCrop``, ``Resize``, ``RandomFlip`` and
    ``PhotoMetricDistortion``.

    The window that the image will show is chosen among boxes; then the network's input is sampled from the original image once,
    flip included, and the colours of the small result are changed. Pixels outside the original image are ``fill`` and stay it.

    Objects whose centre the window shows are kept, cut at its border; every per-instance field (``gt_*`` with one entry for each
    object) follows.

    Args:
        scale: (width, height) of the result.
        fill: colour outside the image, red first, the mean that the data preprocessor subtracts.
        zoom_out_prob: probability of zooming out.
        zoom_out_ratio: range of the window's sides over the image's.
        constraints: of the crop, equally likely: lowest IoU with an object, 0 for any patch, ``None`` for no crop.
        crop_scale: range of the patch's sides over the window's.
        crop_aspect: range of the patch's width over its height.
        crop_tries: patches drawn for a constraint.
        flip_prob: probability of a horizontal flip.
        brightness: largest shift, in levels.
        contrast: range of the factor.
        saturation: range of the factor.
        hue: largest turn, in degrees.
        interpolation: ``'nearest'``, ``'bilinear'``, ``'bicubic'``, ``'lanczos'``, or several of them, one drawn for each image.
    """

    def __init__(self,
                 scale: tuple[int, int],
                 fill: Sequence[float] = (123.675, 116.28, 103.53),
                 zoom_out_prob: float = 0.5,
                 zoom_out_ratio: tuple[float, float] = (1., 4.),
                 constraints: Sequence[float | None] = CONSTRAINTS,
                 crop_scale: tuple[float, float] = (0.3, 1.),
                 crop_aspect: tuple[float, float] = (0.5, 2.),
                 crop_tries: int = 50,
                 flip_prob: float = 0.5,
                 brightness: float = 32.,
                 contrast: tuple[float, float] = (0.5, 1.5),
                 saturation: tuple[float, float] = (0.5, 1.5),
                 hue: float = 18.,
                 interpolation: str | Sequence[str] = 'bilinear'):
        names = [interpolation] if isinstance(interpolation, str) else list(interpolation)
        unknown = [name for name in names if name not in INTERPOLATIONS]
        if unknown or not names:
            raise ValueError(f'interpolation must be of {", ".join(INTERPOLATIONS)}, got {interpolation!r}')
        if len(constraints) == 0:
            raise ValueError('constraints must not be empty; (None, ) is no crop')
        self.scale = tuple(scale)
        # OpenCV's images have blue first, in whole levels.
        self.fill = tuple(round(level) for level in reversed(fill))
        self.zoom_out_prob = zoom_out_prob
        self.zoom_out_ratio = zoom_out_ratio
        self.crop_options = dict(
            constraints=tuple(constraints), scale_range=crop_scale, aspect_range=crop_aspect, tries=crop_tries)
        self.flip_prob = flip_prob
        self.colors = dict(brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
        self.interpolations = names

    def transform(self, results: dict) -> dict:
        """MMDetection's ``results`` with ``img`` (H, W, 3) uint8, and ``gt_bboxes`` if there are any, to the same."""
        # MMEngine seeds NumPy's generator in each worker.
        random = np.random
        image = results['img']
        height, width = image.shape[:2]
        boxes = results.get('gt_bboxes')
        corners = np.zeros((0, 4)) if boxes is None else np.asarray(get_box_tensor(boxes), dtype=np.float64)

        window = np.array([0., 0., width, height])
        if random.uniform() < self.zoom_out_prob:
            window = zoom_out(width, height, self.zoom_out_ratio, random)
        window = crop(window, corners, random=random, **self.crop_options)
        flip = random.uniform() < self.flip_prob
        interpolation = self.interpolations[random.randint(len(self.interpolations))]

        part = shown_part(window, (width, height), self.scale, flip)
        shown = sample(image, window, self.scale, part, flip, INTERPOLATIONS[interpolation], self.fill)
        results['img'] = frame(distort(shown, random=random, **self.colors), part, self.scale, self.fill)
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = tuple(self.scale / (window[2:] - window[:2]))
        results['flip'], results['flip_direction'] = flip, 'horizontal' if flip else None
        if boxes is not None:
            centers = (corners[:, :2] + corners[:, 2:]) / 2
            keep = ((centers > window[:2]) & (centers < window[2:])).all(axis=1)
            for name, values in results.items():
                if name.startswith('gt_') and name != 'gt_bboxes' and hasattr(values, '__getitem__') and len(values) == len(keep):
                    results[name] = values[keep] if isinstance(values, np.ndarray) else [v for v, k in zip(values, keep) if k]
            moved = move(corners[keep], window, self.scale, flip).astype(np.float32)
            results['gt_bboxes'] = HorizontalBoxes(moved) if isinstance(boxes, HorizontalBoxes) else moved
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(scale={self.scale}, zoom_out={self.zoom_out_prob} x {self.zoom_out_ratio}, '
                f'crop={self.crop_options}, flip_prob={self.flip_prob}, colors={self.colors}, interpolation={self.interpolations})')


def shown_part(window: np.ndarray, size: tuple[int, int], scale: tuple[int, int], flip: bool) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the pixels of the result in which something of an image of ``size`` (width, height) shows."""
    # Interpolation reaches half a pixel beyond the image's border, and a pixel is where its centre is.
    beyond = np.array([[-0.5, -0.5, size[0] + 0.5, size[1] + 0.5]])
    x1, y1, x2, y2 = move(beyond, window, scale, flip)[0]
    left, top = (min(int(np.floor(low + 0.5)), side - 1) for low, side in ((x1, scale[0]), (y1, scale[1])))
    # One pixel at least.
    return left, top, max(int(np.ceil(x2 - 0.5)), left + 1), max(int(np.ceil(y2 - 0.5)), top + 1)


def sample(image: np.ndarray, window: np.ndarray, scale: tuple[int, int], part: tuple[int, int, int, int], flip: bool,
           interpolation: int, fill: tuple[int, ...]) -> np.ndarray:
    """What a part (left, top, right, bottom) of the result shows; pixel centres of the result of size ``scale`` lie at the same
    shares of the window."""
    x1, y1, x2, y2 = window
    left, top, right, bottom = part
    step_x, step_y = (x2 - x1) / scale[0], (y2 - y1) / scale[1]
    # From pixel i of the result to the image: window start + (i + .5) step - .5, or from the other end.
    if flip:
        step_x, x1 = -step_x, x2
    matrix = np.array([[step_x, 0., x1 + (left + 0.5) * step_x - 0.5], [0., step_y, y1 + (top + 0.5) * step_y - 0.5]])
    return cv2.warpAffine(
        image,
        matrix, (right - left, bottom - top),
        flags=interpolation | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill)


def frame(shown: np.ndarray, part: tuple[int, int, int, int], scale: tuple[int, int], fill: tuple[int, ...]) -> np.ndarray:
    """The result ``(scale[1], scale[0], 3)``: its part that shows something, and the fill colour around it."""
    left, top, right, bottom = part
    if part == (0, 0, *scale):
        return shown
    return cv2.copyMakeBorder(shown, top, scale[1] - bottom, left, scale[0] - right, cv2.BORDER_CONSTANT, value=fill)


def move(boxes: np.ndarray, window: np.ndarray, scale: tuple[int, int], flip: bool) -> np.ndarray:
    """Boxes ``(N, 4)`` in pixels of the image to pixels of the result, cut at its border."""
    factor = np.asarray(scale) / (window[2:] - window[:2])
    moved = (boxes.reshape(-1, 2, 2) - window[:2]) * factor
    moved = np.clip(moved, 0, scale)
    if flip:
        moved[..., 0] = scale[0] - moved[::, ::-1, 0]
    return moved.reshape(-1, 4)
