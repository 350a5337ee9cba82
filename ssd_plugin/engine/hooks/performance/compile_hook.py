"""Compilation of the network with ``torch.compile``."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the backbone, the neck and the prediction layers with ``torch.compile``.

    Parameters keep their names, so checkpoints stay the same. MMEngine's own ``compile=True`` compiles all of
    ``train_step``, which is recompiled again and again because the number of boxes changes from batch to batch; the
    loss of this package does not need a compiler.

    Args:
        options: Arguments of ``torch.compile``, for example ``mode='max-autotune'``.
    """

    # After EMAHook has copied the model.
    priority = 'LOW'

    def __init__(self, **options: Any) -> None:
        self.options = options

    def before_run(self, runner: Runner) -> None:
        """Mark the parts to be compiled when the first batch arrives."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for part in (model.backbone, *([model.neck] if model.with_neck else []), model.bbox_head):
            part.compile(**self.options)
