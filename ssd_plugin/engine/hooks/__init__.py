"""Hooks that report on the data, and hooks that make training faster."""

from .data import DroppedPairsHook, MosaicSwitchHook, SkippedImagesHook, UnusableBoxesHook
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DroppedPairsHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
