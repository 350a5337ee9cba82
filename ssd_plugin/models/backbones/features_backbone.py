"""Base class of backbones that are a single sequence of layers."""

from torch import nn

from .freezable_backbone import FreezableBackbone


class FeaturesBackbone(FreezableBackbone):
    """Backbone that is a sequence of layers, ``features``, with the first layers optionally frozen.

    Args:
        features: Layers of the network.
        frozen_stages: Number of layers, counted from the first, that are frozen; -1 or 0 for none.
        norm_eval: Whether normalization layers keep their statistics fixed during training.
        init_cfg: Initialization.

    Raises:
        ValueError: ``frozen_stages`` is less than -1, or there are fewer layers.
    """

    def __init__(
        self, features: nn.Sequential, frozen_stages: int, norm_eval: bool, init_cfg: dict | list[dict] | None
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.features = features
        self.freeze_stages([[layer] for layer in features], frozen_stages, norm_eval)
