"""Extensions of MMEngine's runner: checkpointing, hooks, logs, loops and optimizer wrappers."""

from . import checkpointing, hooks, loops, optimizers
from .exact_log_processor import ExactLogProcessor

__all__ = ['ExactLogProcessor', 'checkpointing', 'hooks', 'loops', 'optimizers']
