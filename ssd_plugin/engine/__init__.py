from . import hooks, pooled_optim_wrapper

__all__ = ['hooks', 'pooled_optim_wrapper']
