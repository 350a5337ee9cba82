"""A mosaic of four images, each with the augmentation of SSD."""

from collections.abc import Sized
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ssd_plugin.option_ranges import check_fractions, is_range

from .fused_ssd_augment import FusedSSDAugment
from .instance_fields import merge_instances


@TRANSFORMS.register_module()
class MosaicSSDAugment(BaseTransform):
    """Divide the network's input at a random point, and fill each quarter with an augmented image of its size.

    This is the mosaic of YOLOv4 (arXiv 2004.10934, section 3.3) around :class:`FusedSSDAugment`; each pixel is still
    sampled from its original image once.

    For MMDetection's ``MultiImageMixDataset``, around datasets whose pipelines only load images and annotations. An
    image that turns out to be damaged leaves its quarter empty; without a mosaic, another of the four takes its place.

    Args:
        augment: Config of ``FusedSSDAugment``; its ``scale`` is the size of the mosaic.
        prob: Probability of a mosaic; otherwise a single image is augmented.
        split: Range of the point of division, as a fraction of the width and of the height.

    Attributes:
        active: Whether mosaics are made, in memory that the workers share; :class:`MosaicSwitchHook` ends them.
    """

    def __init__(self, augment: dict[str, Any], prob: float = 1.0, split: tuple[float, float] = (0.3, 0.7)) -> None:
        check_fractions(prob=prob)
        if not is_range(split, 0, 1) or split[0] == 0 or split[1] == 1:
            raise ValueError(f'split must be two increasing fractions between 0 and 1, got {split}')
        self.augment: FusedSSDAugment = TRANSFORMS.build(augment)
        self.prob = prob
        self.split = split
        self.active = torch.ones((), dtype=torch.bool).share_memory_()

    def get_indexes(self, dataset: Sized) -> list[int]:
        """Draw the indices of the three other images."""
        return np.random.randint(len(dataset), size=3).tolist()

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Merge an image and the three in its ``mix_results`` into a mosaic.

        Args:
            results: Loaded sample, with three others in ``mix_results``.

        Returns:
            The augmented sample, which has the path and id of the first image; ``None`` if all four are damaged.
        """
        # Drawn in any case, so that the random numbers that follow do not depend on the switch.
        mosaic = np.random.random_sample() < self.prob
        split = np.random.uniform(*self.split, size=2)
        images = [results, *results.pop('mix_results')]
        if not (mosaic and self.active):
            return next(filter(None, map(self.augment, images)), None)
        width, height = self.augment.scale
        x, y = (split * (width, height)).round().astype(int).tolist()
        quarters = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
        tiles = []
        for image, (left, top, right, bottom) in zip(images, quarters):
            tile = self.augment.transform(image, (right - left, bottom - top))
            if tile is not None:
                tiles.append((tile, (left, top)))
        if not tiles:
            return None
        canvas = np.empty((3, height, width), tiles[0][0]['img'].dtype).transpose(1, 2, 0)
        canvas[:] = self.augment.fill
        for tile, (left, top) in tiles:
            rows, columns = tile['img_shape']
            canvas[top : top + rows, left : left + columns] = tile['img']
        # These describe a single tile.
        dropped = ('window', 'scale_factor', 'flip', 'flip_direction', 'homography_matrix')
        merged = {name: value for name, value in tiles[0][0].items() if name not in dropped}
        return dict(merged, img=canvas, img_shape=(height, width), **merge_instances(tiles))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.augment}, prob={self.prob}, split={self.split})'
