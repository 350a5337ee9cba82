"""ImageNet weights of timm, for backbones that have the same layers under other names."""

from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from ssd_plugin.compat import log_initialization
from ssd_plugin.errors import UserError

from .timm_models import import_timm


@WEIGHT_INITIALIZERS.register_module()
class TimmInit:
    """Initializer that fills a backbone with the weights of a timm model.

    The tensors are taken in their order, which must be that of the backbone, without those behind its last layer (the
    classifier). timm's ``mobilenetv1_100`` fits :class:`MobileNetV1`; it is trained with ReLU6.

    Args:
        model: Name of the model in timm, with or without the tag of its weights.
        checkpoint: File with the weights, in place of timm's download.
    """

    def __init__(self, model: str, checkpoint: str | None = None) -> None:
        self.model = model
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into a module.

        Raises:
            UserError: timm is not installed, or the weights cannot be had, or do not fit.
        """
        timm = import_timm(
            f'the ImageNet weights {self.model}', 'start from random weights with another init_cfg of the backbone'
        )
        try:
            source = timm.create_model(
                self.model, pretrained=self.checkpoint is None, checkpoint_path=self.checkpoint or ''
            ).state_dict()
        # What a download, an unknown name or a damaged file ends in differs between timm's versions and backends.
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f'the ImageNet weights {self.checkpoint or self.model} cannot be loaded by timm: {reason}. A copy is '
                'loaded with model.backbone.init_cfg.checkpoint=FILE'
            ) from error
        wanted = module.state_dict()
        for (name, value), (theirs, given) in zip(wanted.items(), source.items()):
            if value.shape != given.shape:
                raise UserError(
                    f'the weights of timm {self.model} do not fit {type(module).__name__}: {theirs} has the shape '
                    f'{tuple(given.shape)}, but {name} has {tuple(value.shape)}'
                )
        if len(source) < len(wanted):
            raise UserError(
                f'the weights of timm {self.model} do not fit {type(module).__name__}: it has {len(source)} tensors '
                f'instead of {len(wanted)} or more'
            )
        module.load_state_dict(dict(zip(wanted, source.values())))
        log_initialization(module, f'{type(self).__name__}: {self.checkpoint or self.model}')
