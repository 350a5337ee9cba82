"""Training in bfloat16 on any device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner.amp import autocast
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """MMEngine's ``OptimWrapper`` with the forward pass under autocast to bfloat16.

    bfloat16 has the range of float32, so gradients do not underflow and the loss needs no scaling. MMEngine's
    ``AmpOptimWrapper`` scales the loss, and refuses to work without a GPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass in bfloat16."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
