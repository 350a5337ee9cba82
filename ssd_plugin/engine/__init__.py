from . import atomic_backend, bfloat16_optim_wrapper, hooks, pooled_optim_wrapper, stream_train_loop

__all__ = ['atomic_backend', 'bfloat16_optim_wrapper', 'hooks', 'pooled_optim_wrapper', 'stream_train_loop']
