"""Gradient accumulation that equals one large batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn


@OPTIM_WRAPPERS.register_module()
class PooledOptimWrapper(OptimWrapper):
    """MMEngine's ``OptimWrapper`` whose accumulated gradients equal those of the whole batch.

    SSD's loss is divided by the number of positives (SSD paper, equation 1). The mean over micro-batches, each divided
    by its own number, is not the large batch's loss: images with few positives weigh more. Here the sums are
    accumulated, and the gradients are divided by all positives before the step. Batch norm, if any, still sees the
    micro-batches.

    The model's losses must report ``num_positives``, as those of ``MultiBoxHead`` do.

    Args:
        accumulative_counts: Micro-batches of a step.
        kwargs: As of ``OptimWrapper``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reported: Tensor | None = None
        self._positives: Tensor | None = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Wrap the forward pass of a micro-batch, and record the number of positives that its losses report."""

        def note(module: nn.Module, inputs: tuple, losses: Any) -> None:
            self._reported = losses.get('num_positives') if isinstance(losses, dict) else None

        handle = model.register_forward_hook(note)
        try:
            with super().optim_context(model):
                yield
        finally:
            handle.remove()

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Return the loss as a sum, before its division by the number of positives.

        Raises:
            TypeError: The losses of the model do not report ``num_positives``.
        """
        if self._reported is None:
            raise TypeError(
                "PooledOptimWrapper needs num_positives, which the model's losses do not report; use OptimWrapper, or "
                'a head with MultiBoxLoss, FocalMultiBoxLoss or ManyToManyLoss'
            )
        self._positives = self._reported if self._positives is None else self._positives + self._reported
        return loss * self._reported.clamp(min=1.0)

    def forget(self) -> None:
        """Discard the accumulated positives after a skipped step."""
        self._positives = None

    def step(self, **kwargs: Any) -> None:
        """Divide the gradients by the positives of all micro-batches, and step."""
        assert self._positives is not None, 'a step follows at least one scale_loss'
        for group in self.optimizer.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    parameter.grad.div_(self._positives.clamp(min=1.0))
        self._positives = None
        super().step(**kwargs)
