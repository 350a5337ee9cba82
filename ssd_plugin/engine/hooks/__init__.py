"""Hooks that report on the data, make training faster, freeze the backbone for a while, or stop early."""

from .data import (
    DrawingHook,
    DroppedPairsHook,
    ImageCheckHook,
    MosaicSwitchHook,
    SkippedImagesHook,
    UnusableBoxesHook,
)
from .early_stopping_hook import ExactEarlyStoppingHook
from .freeze_backbone_hook import FreezeBackboneHook
from .performance import ChannelsLastHook, CompileHook, KeepHostMemoryHook

__all__ = [
    'ChannelsLastHook',
    'CompileHook',
    'DrawingHook',
    'DroppedPairsHook',
    'ExactEarlyStoppingHook',
    'FreezeBackboneHook',
    'ImageCheckHook',
    'KeepHostMemoryHook',
    'MosaicSwitchHook',
    'SkippedImagesHook',
    'UnusableBoxesHook',
]
