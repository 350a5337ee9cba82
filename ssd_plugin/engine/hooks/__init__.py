from .channels_last_hook import ChannelsLastHook
from .compile_hook import CompileHook
from .keep_host_memory_hook import KeepHostMemoryHook
from .skipped_images_hook import SkippedImagesHook
from .unusable_boxes_hook import UnusableBoxesHook

__all__ = ['ChannelsLastHook', 'CompileHook', 'KeepHostMemoryHook', 'SkippedImagesHook', 'UnusableBoxesHook']
