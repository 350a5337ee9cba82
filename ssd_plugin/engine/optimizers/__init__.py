"""Optimizer wrappers, and the hook that skips steps with non-finite gradients."""

from .bfloat16_optim_wrapper import BFloat16OptimWrapper
from .finite_steps_hook import FiniteStepsHook
from .pooled_optim_wrapper import PooledOptimWrapper

__all__ = ['BFloat16OptimWrapper', 'FiniteStepsHook', 'PooledOptimWrapper']
