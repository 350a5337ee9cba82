"""Hooks that report on the data, and hooks that make training faster."""

from .data import MosaicSwitchHook, SkippedImagesHook, UnusableBoxesHook
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
