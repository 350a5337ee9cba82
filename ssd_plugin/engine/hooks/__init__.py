from .channels_last_hook import ChannelsLastHook
from .compile_hook import CompileHook
from .finite_steps_hook import FiniteStepsHook
from .keep_host_memory_hook import KeepHostMemoryHook
from .mosaic_switch_hook import MosaicSwitchHook
from .preemption_hook import PreemptionHook
from .skipped_images_hook import SkippedImagesHook
from .unusable_boxes_hook import UnusableBoxesHook
from .whole_checkpoint_hook import WholeCheckpointHook

__all__ = [
    'ChannelsLastHook', 'CompileHook', 'FiniteStepsHook', 'KeepHostMemoryHook', 'MosaicSwitchHook', 'PreemptionHook',
    'SkippedImagesHook', 'UnusableBoxesHook', 'WholeCheckpointHook'
]
