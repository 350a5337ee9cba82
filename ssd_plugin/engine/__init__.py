from . import bfloat16_optim_wrapper, hooks, pooled_optim_wrapper

__all__ = ['bfloat16_optim_wrapper', 'hooks', 'pooled_optim_wrapper']
