"""Four images in one, each augmented as SSD does."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes


@TRANSFORMS.register_module()
class MosaicSSDAugment(BaseTransform):
    """Divide the network's input at a random point, and fill each quarter with an image that :class:`FusedSSDAugment` makes in the
    quarter's size (the mosaic of YOLOv4, arXiv 2004.10934, section 3.3; each pixel is still sampled from its original once).

    For MMDetection's ``MultiImageMixDataset``, around data sets whose pipelines load images and annotations only. An image that turns
    out to be damaged leaves its quarter empty, or another takes its place.

    Args:
        augment: config of ``FusedSSDAugment``; its ``scale`` is the size of the whole.
        prob: probability of a mosaic; else one image is augmented as ever.
        split: range of the point of division, as a share of width and of height.

    Attributes:
        active: whether there are mosaics, in memory that the workers share; :class:`MosaicSwitchHook` ends them.
    """

    def __init__(self, augment: dict, prob: float = 1.0, split: tuple[float, float] = (0.3, 0.7)):
        if not 0 < split[0] <= split[1] < 1:
            raise ValueError(f'split must be two shares between 0 and 1 in order, got {split}')
        self.augment = TRANSFORMS.build(augment)
        self.prob = prob
        self.split = split
        self.active = torch.ones((), dtype=torch.bool).share_memory_()

    def get_indexes(self, dataset) -> list[int]:
        """Three other images."""
        return np.random.randint(len(dataset), size=3).tolist()

    def transform(self, results: dict) -> dict | None:
        """``results`` of one image with those of three others in ``mix_results`` to those of the mosaic, which has the first one's names;
        ``None`` if all four are damaged."""
        # Drawn either way, so that what follows does not depend on the switch.
        mosaic = np.random.random_sample() < self.prob
        split = np.random.uniform(*self.split, size=2)
        images = [results, *results.pop('mix_results')]
        if not (mosaic and self.active):
            return next(filter(None, map(self.augment, images)), None)
        width, height = self.augment.scale
        x, y = (split * (width, height)).round().astype(int).tolist()
        corners = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
        whole, tiles = np.empty((3, height, width), np.uint8).transpose(1, 2, 0), []
        whole[:] = self.augment.fill
        for image, (left, top, right, bottom) in zip(images, corners):
            tile = self.augment.transform(image, (right - left, bottom - top))
            if tile is not None:
                whole[top:bottom, left:right] = tile['img']
                tiles.append((tile, (left, top)))
        if not tiles:
            return None
        merged = {
            name: value
            for name, value in tiles[0][0].items()
            if name not in ('window', 'scale_factor', 'flip', 'flip_direction')
        }
        return dict(merged, img=whole, img_shape=(height, width), **_merged_instances(tiles))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.augment}, prob={self.prob}, split={self.split})'


def _merged_instances(tiles: list[tuple[dict, tuple[int, int]]]) -> dict:
    """The per-instance fields of all tiles, boxes moved by their tile's corner."""
    fields = {}
    for name, first in tiles[0][0].items():
        if not name.startswith('gt_') or not hasattr(first, '__getitem__'):
            continue
        parts = [tile[name] for tile, _ in tiles]
        if name == 'gt_bboxes':
            shifts = [np.array(corner * 2, np.float32) for _, corner in tiles]
            if isinstance(first, HorizontalBoxes):
                fields[name] = HorizontalBoxes.cat(
                    [HorizontalBoxes(part.tensor + torch.from_numpy(s)) for part, s in zip(parts, shifts)]
                )
            else:
                fields[name] = np.concatenate([part + shift for part, shift in zip(parts, shifts)])
        else:
            fields[name] = sum(parts, []) if isinstance(first, list) else np.concatenate(parts)
    return fields
