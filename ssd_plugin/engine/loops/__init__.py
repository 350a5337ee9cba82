"""Training loops."""

from .stream_train_loop import StreamTrainLoop

__all__ = ['StreamTrainLoop']
