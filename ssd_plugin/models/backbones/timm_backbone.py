"""The feature models of timm as backbones."""

from collections.abc import Sequence
from typing import Any, Literal

from mmdet.registry import MODELS
from torch import Tensor, nn

from ssd_plugin.compat import log_initialization

from .freezable_backbone import FreezableBackbone
from .pretrained_weights import load_weights, read_weights
from .timm_models import feature_model


@MODELS.register_module()
class TimmBackbone(FreezableBackbone):
    """One of timm's models (``timm.create_model(features_only=True)``), without its classifier.

    ``timm.list_models()`` names them. With :class:`MultiBoxDetector`, neck, head and priors take channels and strides
    from the network, so that another model is another ``name``. Parameters have timm's names behind ``network``.

    Args:
        name: Name of the model, with or without the tag of its weights, such as ``'resnet18.a1_in1k'``.
        out_indices: Levels whose maps are given, in ascending order, of those that timm has for the model: usually 0..4
            with the strides 2 to 32. Negative ones count from the last.
        pretrained: Start from timm's weights, which are downloaded once.
        checkpoint: File with weights to start from, in place of timm's: a state dict of timm or torchvision, of a
            backbone of this class, or of any network whose tensors come in the same order and shapes; ``.pth``,
            ``.pt``, ``.safetensors``, or a URL.
        in_channels: Number of channels of the image.
        output_stride: Largest stride, 8, 16 or 32; later layers are dilated instead. Not all models can.
        frozen_stages: Number of timm's levels, counted from the first, whose layers are frozen; -1 or 0 for none.
        norm_eval: Whether normalization layers keep their statistics fixed during training.
        options: Other arguments of ``timm.create_model``, such as ``dict(bn_eps=0.001)`` for the MobileNetV3 of
            torchvision, or ``dict(img_size=320)`` for a transformer.
        init_cfg: Initialization; ``None`` keeps timm's.

    Attributes:
        out_channels: Channels of the feature maps, as timm's ``feature_info`` says.
        strides: Their strides.

    Raises:
        UserError: timm is missing, has no such model, or cannot build it so.
        ValueError: ``out_indices`` are not in order, or ``frozen_stages`` go beyond the last of them.
    """

    def __init__(
        self,
        name: str,
        out_indices: Sequence[int] = (-3, -2, -1),
        pretrained: bool = False,
        checkpoint: str | None = None,
        in_channels: int = 3,
        output_stride: Literal[8, 16, 32] | None = None,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        options: dict[str, Any] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.name, self.pretrained, self.checkpoint = name, pretrained, checkpoint
        self._options: dict[str, Any] = dict(options or {}, in_chans=in_channels)
        if output_stride is not None:
            self._options['output_stride'] = output_stride
        if not out_indices or sorted(set(out_indices)) != list(out_indices):
            raise ValueError(f'out_indices must be levels in ascending order, got {tuple(out_indices)}')
        self._options['out_indices'] = tuple(out_indices)
        self.network: nn.Module = feature_model(name, **self._options)
        levels: Any = self.network.feature_info
        self.out_channels: tuple[int, ...] = tuple(levels.channels())
        self.strides: tuple[int, ...] = tuple(levels.reduction())
        # Of the levels behind the last one that is given, the network has no layers.
        last = range(len(levels.info))[levels.out_indices[-1]]
        ends = [level['module'] for level in levels.info[: last + 1]]
        self.freeze_stages(_stages(self.network, ends), frozen_stages, norm_eval)

    def init_weights(self) -> None:
        """Initialize the parameters, and load the weights of ``checkpoint`` or timm.

        Raises:
            UserError: They cannot be had, or do not fit.
        """
        super().init_weights()
        if self.checkpoint is not None:
            source = self.checkpoint
            load_weights(self.network, read_weights(source), source, self.name)
        elif self.pretrained:
            source = f'timm {self.name}'
            given = feature_model(self.name, pretrained=True, **self._options).state_dict()
            load_weights(self.network, given, source, self.name)
        else:
            return
        log_initialization(self, f'{type(self).__name__}: {source}')

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of images ``(B, C, H, W)``, ``(B, C', H', W')`` each."""
        maps = self.network(x)
        if getattr(self.network, 'output_fmt', None) == 'NHWC':
            return tuple(feature.permute(0, 3, 1, 2).contiguous() for feature in maps)
        return tuple(maps)


def _stages(network: nn.Module, ends: Sequence[str]) -> list[list[nn.Module]]:
    """Return the modules of each level, which come after those of the level before it.

    Args:
        network: The network.
        ends: Names of the modules that give the levels, as in ``feature_info``.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    # In the order in which they are registered, those without others inside.
    layers = [name for name, module in modules.items() if not list(module.children())]
    stages, start = [], 0
    for end in ends:
        stop = max((index for index, name in enumerate(layers) if _is_within(name, end)), default=start - 1) + 1
        level = set(layers[start:stop])
        # Also the modules around them, which may have parameters of their own.
        within = [name for name in modules if level.issuperset(other for other in layers if _is_within(other, name))]
        stages.append([modules[name] for name in within])
        start = stop
    return stages


def _is_within(name: str, parent: str) -> bool:
    """Return whether a module is another one or inside of it; timm flattens names of its feature models."""
    flat, prefix = (f'{text}.'.replace('.', '_').removeprefix('model_') for text in (name, parent))
    return flat.startswith(prefix)
