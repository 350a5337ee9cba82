"""The network compiled, by a line of the config."""

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


@HOOKS.register_module()
class CompileHook(Hook):
    """``torch.compile`` of backbone, neck and prediction layers.

    Names of parameters stay as they are, checkpoints too. MMEngine's own ``compile=True`` compiles ``train_step`` as a whole, whose
    lists of boxes change from batch to batch and make it compile again and again; the loss of this package needs no compiler.

    Args:
        options: of ``torch.compile``, say ``mode='max-autotune'``.
    """

    # After EMAHook copied the model.
    priority = 'LOW'

    def __init__(self, **options):
        self.options = options

    def before_run(self, runner: Runner) -> None:
        """Mark the parts; they are compiled when the first batch comes."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for part in (model.backbone, getattr(model, 'neck', None), model.bbox_head):
            if part is not None:
                part.compile(**self.options)
