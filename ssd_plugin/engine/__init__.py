"""Extensions of MMEngine's runner: checkpointing, hooks, loops and optimizer wrappers."""

from . import checkpointing, hooks, loops, optimizers

__all__ = ['checkpointing', 'hooks', 'loops', 'optimizers']
