from .channels_last_hook import ChannelsLastHook
from .compile_hook import CompileHook
from .keep_host_memory_hook import KeepHostMemoryHook
from .mosaic_switch_hook import MosaicSwitchHook
from .skipped_images_hook import SkippedImagesHook
from .unusable_boxes_hook import UnusableBoxesHook

__all__ = ['ChannelsLastHook', 'CompileHook', 'KeepHostMemoryHook', 'MosaicSwitchHook', 'SkippedImagesHook', 'UnusableBoxesHook']
