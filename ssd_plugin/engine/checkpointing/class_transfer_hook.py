"""Start from the weights of a detector with other classes."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor

from ssd_plugin.compat import is_resuming
from ssd_plugin.models.heads import MultiBoxHead

from .class_transfer import transfer


@HOOKS.register_module()
class ClassTransferHook(Hook):
    """Adapt the weights of ``load_from`` to the classes and priors of the model, and log what was taken over.

    Weights of a detector with other classes load, too: what fits is taken over, outputs of classes by their name
    (:func:`~ssd_plugin.engine.checkpointing.class_transfer.transfer`). The moving average of an ``EMAHook`` starts from
    the same weights. A resumed run, a test, and a head other than :class:`MultiBoxHead` are left alone.
    ``tools/train.py`` adds this hook to every training.
    """

    # Before EMAHook loads the weights.
    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Replace the weights of a checkpoint by those with which the model starts."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        # A test has not built its optimizer.
        training = isinstance(runner.optim_wrapper, (OptimWrapper, OptimWrapperDict))
        if is_resuming(runner) or not training or not isinstance(getattr(model, 'bbox_head', None), MultiBoxHead):
            return
        content = dict(checkpoint)
        given = content.get('state_dict', content)
        given = {name.removeprefix('module.'): value for name, value in given.items() if isinstance(value, Tensor)}
        meta = content.get('meta') if isinstance(content.get('meta'), dict) else {}
        classes = runner.train_dataloader.dataset.metainfo.get('classes')
        state, lines = transfer(model, given, meta or {}, classes)
        checkpoint['state_dict'] = state
        for line in lines:
            runner.logger.info(f'load_from: {line}')
