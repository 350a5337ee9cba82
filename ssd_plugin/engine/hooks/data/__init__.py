"""Hooks that watch or change the training data."""

from .mosaic_switch_hook import MosaicSwitchHook
from .skipped_images_hook import SkippedImagesHook
from .unusable_boxes_hook import UnusableBoxesHook

__all__ = ['MosaicSwitchHook', 'SkippedImagesHook', 'UnusableBoxesHook']
