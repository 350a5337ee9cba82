"""Hooks that report on the data, hooks that make training faster, and one that freezes the backbone for a while."""

from .data import DrawingHook, DroppedPairsHook, MosaicSwitchHook, SkippedImagesHook, UnusableBoxesHook
from .freeze_backbone_hook import FreezeBackboneHook
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DrawingHook',
    'DroppedPairsHook',
    'FreezeBackboneHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
