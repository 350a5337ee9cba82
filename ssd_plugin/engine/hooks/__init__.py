"""Hooks that report on the data, hooks that make training faster, and early stopping."""

from .data import DrawingHook, DroppedPairsHook, MosaicSwitchHook, SkippedImagesHook, UnusableBoxesHook
from .early_stopping_hook import ExactEarlyStoppingHook
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DrawingHook',
    'DroppedPairsHook',
    'ExactEarlyStoppingHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
