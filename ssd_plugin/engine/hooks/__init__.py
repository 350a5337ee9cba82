"""Hooks that report on the data, and hooks that make training faster."""

from .data import DrawingHook, DroppedPairsHook, MosaicSwitchHook, SkippedImagesHook, UnusableBoxesHook
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DrawingHook',
    'DroppedPairsHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
