"""VGG-16 of SSD, whose fully connected layers 6 and 7 become convolutions (SSD paper, section 3, "Base network")."""

from mmdet.models.backbones import SSDVGG
from mmdet.registry import MODELS
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from ssd_plugin.compat import log_initialization


def decimate_vgg16(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert the parameters of torchvision's VGG-16 to those of :class:`SSDVGG16`.

    fc6 and fc7 are read as convolutions, 4096x512x7x7 and 4096x4096x1x1. Every fourth channel and, in fc6, every
    third row and column are kept ("a trous", SSD paper, section 3): 1024x512x3x3 and 1024x1024x1x1.

    Args:
        state_dict: State dict of ``torchvision.models.vgg16``.

    Returns:
        State dict with the names ``features.N.weight`` and ``features.N.bias``.

    Raises:
        ValueError: The parameters are not those of a VGG-16; the message names the first that is missing or has another
            shape.
    """
    shapes = {
        'features.28.weight': (512, 512, 3, 3),
        'classifier.0.weight': (4096, 25088),
        'classifier.0.bias': (4096,),
        'classifier.3.weight': (4096, 4096),
        'classifier.3.bias': (4096,),
    }
    for name, shape in shapes.items():
        found = tuple(state_dict[name].shape) if name in state_dict else None
        if found != shape:
            problem = 'is missing' if found is None else f'has the shape {found} instead of {shape}'
            raise ValueError(f"these are not the weights of torchvision's vgg16: '{name}' {problem}")
    decimated = {name: value for name, value in state_dict.items() if name.startswith('features.')}
    decimated['features.31.weight'] = (
        state_dict['classifier.0.weight'].view(4096, 512, 7, 7)[::4, :, ::3, ::3].contiguous()
    )
    decimated['features.31.bias'] = state_dict['classifier.0.bias'][::4].clone()
    decimated['features.33.weight'] = state_dict['classifier.3.weight'].view(4096, 4096, 1, 1)[::4, ::4].contiguous()
    decimated['features.33.bias'] = state_dict['classifier.3.bias'][::4].clone()
    return decimated


@WEIGHT_INITIALIZERS.register_module()
class DecimatedVGG16Init:
    """Initializer that fills an :class:`SSDVGG16` with the weights of an ImageNet VGG-16.

    Args:
        checkpoint: torchvision's VGG-16: a file, a URL, or ``'torchvision://vgg16'``, which is downloaded once.
    """

    def __init__(self, checkpoint: str = 'torchvision://vgg16') -> None:
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        """Load the decimated weights into a module.

        Raises:
            FileNotFoundError: The checkpoint cannot be read.
            ValueError: It is not a VGG-16.
        """
        try:
            state_dict = CheckpointLoader.load_checkpoint(self.checkpoint, map_location='cpu')
        except OSError as error:
            raise FileNotFoundError(
                f'the ImageNet weights of VGG-16 cannot be read from {self.checkpoint}: {error}. Set '
                "model.backbone.init_cfg.checkpoint=FILE to a copy of torchvision's vgg16-397923af.pth, or train from "
                'scratch with model.backbone.init_cfg=None'
            ) from error
        module.load_state_dict(decimate_vgg16(state_dict.get('state_dict', state_dict)))
        log_initialization(module, f'{type(self).__name__}: {self.checkpoint}')


@MODELS.register_module()
class SSDVGG16(SSDVGG):
    """MMDetection's ``SSDVGG`` that can start from torchvision's VGG-16 by decimation.

    The feature maps are conv4_3 (512 channels, stride 8) and conv7 (1024 channels, stride 16).

    Args:
        init_cfg: ``dict(type='DecimatedVGG16Init', checkpoint=...)`` for ImageNet weights, ``None`` for random ones.
        frozen_stages: Number of stages of VGG, counted from the first, that are frozen; -1 or 0 for none.

    Raises:
        ValueError: There is no such number of stages.
    """

    def __init__(self, init_cfg: dict | list[dict] | None = None, frozen_stages: int = -1) -> None:
        super().__init__(depth=16, init_cfg=init_cfg)
        stages = len(self.range_sub_modules)
        if not -1 <= frozen_stages <= stages:
            raise ValueError(f'frozen_stages must be -1, 0 or in 1..{stages}, got {frozen_stages}')
        self.frozen_stages = frozen_stages
