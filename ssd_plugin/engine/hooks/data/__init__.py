"""Hooks that watch or change the training data."""

from .drawing_hook import DrawingHook
from .dropped_pairs_hook import DroppedPairsHook
from .image_check_hook import ImageCheckHook
from .mosaic_switch_hook import MosaicSwitchHook
from .skipped_images_hook import SkippedImagesHook
from .unusable_boxes_hook import UnusableBoxesHook

__all__ = [
    'DrawingHook',
    'DroppedPairsHook',
    'ImageCheckHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
