"""Complete checkpoints despite interruptions, and a clean stop on preemption."""

from .atomic_backend import AtomicBackend
from .preemption_hook import PreemptionHook
from .whole_checkpoint_hook import WholeCheckpointHook

__all__ = ['AtomicBackend', 'PreemptionHook', 'WholeCheckpointHook']
