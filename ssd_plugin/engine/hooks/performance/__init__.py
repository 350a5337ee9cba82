"""Hooks that make training faster."""

from .channels_last_hook import ChannelsLastHook
from .compile_hook import CompileHook
from .keep_host_memory_hook import KeepHostMemoryHook

__all__ = ['ChannelsLastHook', 'CompileHook', 'KeepHostMemoryHook']
