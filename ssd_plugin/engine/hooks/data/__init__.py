"""Hooks that watch or change the training data."""

from .dropped_pairs_hook import DroppedPairsHook
from .mosaic_switch_hook import MosaicSwitchHook
from .skipped_images_hook import SkippedImagesHook
from .unusable_boxes_hook import UnusableBoxesHook

__all__ = ['DroppedPairsHook', 'MosaicSwitchHook', 'SkippedImagesHook', 'UnusableBoxesHook']
