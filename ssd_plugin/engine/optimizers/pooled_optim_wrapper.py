"""Gradient accumulation that gives what one large batch would."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn


@OPTIM_WRAPPERS.register_module()
class PooledOptimWrapper(OptimWrapper):
    """MMEngine's ``OptimWrapper`` whose accumulated steps are those of the whole batch.

    SSD's loss is divided by the number of positives (SSD paper, equation 1). The mean over small batches, each divided by its own
    number, is not the large batch's loss: images with few positives count more. Here the sums are accumulated, and the gradients
    are divided by all positives before the step. Batch norm, if any, still sees the small batches.

    Args:
        accumulative_counts: small batches of a step.
        kwargs: as of ``OptimWrapper``.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._loss: nn.Module | None = None
        self._positives: Tensor | None = None

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Around the forward pass of a small batch.

        Raises:
            TypeError: the model has no loss, or several, with a number of positives.
        """
        if self._loss is None:
            found = [module for module in model.modules() if hasattr(module, 'num_positives')]
            if len(found) != 1:
                raise TypeError(
                    f'PooledOptimWrapper pools the positives of one MultiBoxLoss or ManyToManyLoss; {type(model).__name__} '
                    f'has {len(found)}'
                )
            (self._loss,) = found
        with super().optim_context(model):
            yield

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The sum that the loss was before it was divided."""
        positives = self._loss.num_positives
        self._positives = positives if self._positives is None else self._positives + positives
        return loss * positives.clamp(min=1.0)

    def forget(self) -> None:
        """Begin to accumulate anew: the step is left out."""
        self._positives = None

    def step(self, **kwargs) -> None:
        """Divide by the positives of all small batches, and step."""
        for group in self.optimizer.param_groups:
            for parameter in group['params']:
                if parameter.grad is not None:
                    parameter.grad.div_(self._positives.clamp(min=1.0))
        self._positives = None
        super().step(**kwargs)
