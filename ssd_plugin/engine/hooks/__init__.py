"""Hooks that report on the data, and hooks that make training faster."""

from .data import (
    DrawingHook,
    DroppedPairsHook,
    ImageCheckHook,
    MosaicSwitchHook,
    SkippedImagesHook,
    UnusableBoxesHook,
)
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DrawingHook',
    'DroppedPairsHook',
    'ImageCheckHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
