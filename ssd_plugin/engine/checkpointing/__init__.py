"""Complete checkpoints despite interruptions, and a clean stop on preemption."""

from .atomic_backend import AtomicBackend
from .class_transfer_hook import ClassTransferHook
from .preemption_hook import PreemptionHook
from .return_to_best_hook import ReturnToBestHook
from .whole_checkpoint_hook import WholeCheckpointHook

__all__ = ['AtomicBackend', 'ClassTransferHook', 'PreemptionHook', 'ReturnToBestHook', 'WholeCheckpointHook']
