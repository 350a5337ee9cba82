"""Conversion of a checkpoint of this package to one of MMDetection."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import get_box_tensor
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from torch import Tensor

from ssd_plugin.configs import read_config
from ssd_plugin.errors import UserError
from ssd_plugin.ops.output_layout import OutputLayout

from .checkpoint_files import check_copy, read_checkpoint, shortened
from .convert import Conversion
from .target_config import class_options, dataset_meta, output_layout, parameter_shapes, save_weights

MMDET_CONFIGS = (
    'ssd/ssd300_coco.py',
    'pascal_voc/ssd300_voc0712.py',
    'ssd/ssd512_coco.py',
    'pascal_voc/ssd512_voc0712.py',
)


# The components are registered with MMDetection, whose scope the calling program need not have set.
@DefaultScope.overwrite_default_scope('mmdet')
def export_to_mmdet(
    source: str | Path, target: str | Path, config: str | None = None, classes: Sequence[str] | None = None
) -> Conversion:
    """Convert a checkpoint of an SSD300 or SSD512 to one that loads into MMDetection's own config.

    The outputs for an image and the parameter names stay the same; only the division of the image by a standard
    deviation, which MMDetection's config does not have, moves into the first convolution.

    Args:
        source: File to read, in a form that :func:`~ssd_plugin.interop.checkpoint_files.read_checkpoint` accepts.
        target: File to write, atomically.
        config: Config that the checkpoint was trained with. Required unless the checkpoint was converted, since
            converted ones name theirs.
        classes: Names of the classes, where neither the checkpoint nor the config has them.

    Returns:
        Description of the checkpoint that was written; its config is MMDetection's.

    Raises:
        UserError: The file is damaged, or MMDetection has no such detector; nothing is written.
    """
    check_copy(target, source)
    state, meta = read_checkpoint(source)
    config = config or (meta.get('ssd_plugin') or {}).get('config')
    if config is None:
        raise UserError(f'{source} does not name its config. Give the config that it was trained with as --config FILE')
    options = class_options(config, state)
    cfg = read_config(config, options)
    shapes = parameter_shapes(config, tuple(options.items()))
    mismatched = [
        name
        for name in {**shapes, **state}
        if name not in state or name not in shapes or state[name].shape != shapes[name]
    ]
    if mismatched:
        raise UserError(
            f'{source} does not fit {config}: {shortened(mismatched)} are missing, unknown or of another shape'
        )
    names = dataset_meta(cfg, meta, classes, source)
    path, theirs = _their_config(cfg, config)
    number = cfg.model.bbox_head.num_classes
    options = {} if number == theirs.model.bbox_head.num_classes else {'model.bbox_head.num_classes': number}
    theirs.merge_from_dict(options)
    state = _without_deviation(state, cfg.model.data_preprocessor.std, theirs.model.data_preprocessor.std)
    save_weights(target, state, theirs, names, dict(format='mmdet', config=f'mmdet::{path}', source=Path(source).name))
    return Conversion('mmdet', f'mmdet::{path}', options, names['classes'], len(state))


def _their_config(cfg: Config, name: str) -> tuple[str, Config]:
    """Return the path and content of MMDetection's config for the same detector.

    Args:
        cfg: Config of this package.
        name: Its name, for messages.

    Raises:
        UserError: There is none; the message names the difference.
    """
    model = cfg.model
    head, coder, means = model.bbox_head, model.bbox_head.bbox_coder, model.data_preprocessor.mean
    vgg = model.backbone.type in ('SSDVGG16', 'SSDVGG') and model.neck.get('l2_norm_scale') is not None
    if not vgg or output_layout(head) != OutputLayout(head.num_classes):
        raise UserError(
            f'{name}: MMDetection has no such detector. It has SSD300 and SSD512 on VGG-16, with the background as the '
            'last class, L2 normalization of conv4_3 and a softmax'
        )
    if (coder.get('center_variance', 0.1), coder.get('size_variance', 0.2)) != (0.1, 0.2):
        raise UserError(
            f'{name}: MMDetection uses the variances 0.1 and 0.2, this detector {coder.center_variance} and '
            f'{coder.size_variance}'
        )
    ours = TASK_UTILS.build(head.prior_generator)
    priors = torch.cat(ours.grid_priors(ours.featmap_sizes, device='cpu'))
    for path in MMDET_CONFIGS:
        theirs = get_config(f'mmdet::{path}')
        generator = TASK_UTILS.build(theirs.model.bbox_head.anchor_generator)
        if len(generator.strides) != len(ours.strides):
            continue
        grids = generator.grid_priors(ours.featmap_sizes, device='cpu')
        anchors = torch.cat([get_box_tensor(grid) for grid in grids])
        if anchors.shape == priors.shape and torch.allclose(anchors, priors, atol=1e-3):
            if not torch.allclose(torch.tensor(means), torch.tensor(theirs.model.data_preprocessor.mean)):
                raise UserError(
                    f'{name}: MMDetection subtracts the means {theirs.model.data_preprocessor.mean}, this detector '
                    f'{means}'
                )
            return path, theirs
    raise UserError(f"{name}: none of MMDetection's configs ({', '.join(MMDET_CONFIGS)}) has these priors")


def _without_deviation(state: dict[str, Tensor], ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Tensor]:
    """Adapt the first convolution to images divided by another standard deviation: w (x / s) = (w t / s) (x / t).

    Args:
        state: State dict of the detector.
        ours: Standard deviations s per channel that it was trained with.
        theirs: Standard deviations t per channel of the config that it is written for.
    """
    name = 'backbone.features.0.weight'
    factor = torch.tensor(theirs, dtype=torch.float64) / torch.tensor(ours, dtype=torch.float64)
    return {**state, name: (state[name].double() * factor[:, None, None]).to(state[name].dtype)}
