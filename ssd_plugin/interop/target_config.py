"""Config that converted weights are written for: parameter shapes, number of classes and class names."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import DATASETS, MODELS, TASK_UTILS
from mmengine.config import Config, ConfigDict
from torch import Tensor

from ssd_plugin.configs import leaf_datasets, read_config
from ssd_plugin.errors import UserError
from ssd_plugin.models.feature_levels import complete_levels
from ssd_plugin.ops.output_layout import OutputLayout

from .checkpoint_files import write_checkpoint


def output_layout(head: ConfigDict) -> OutputLayout:
    """Return the meaning of the class outputs of a ``MultiBoxHead``.

    Args:
        head: Config of the head.
    """
    return OutputLayout.of_head(
        head.num_classes, head.get('use_sigmoid', False), head.get('background'), head.get('unused_outputs', ())
    )


@cache
def parameter_shapes(path: str, options: tuple[tuple[str, Any], ...]) -> dict[str, torch.Size]:
    """Return the names and shapes of a detector's parameters and buffers, in the order of its state dict.

    Args:
        path: Config of the detector.
        options: (key, value) of each of the ``--cfg-options``; a tuple, so that results can be cached.
    """
    cfg = read_config(path, dict(options))
    with torch.device('meta'):
        detector = MODELS.build(cfg.model)
    return {name: value.shape for name, value in detector.state_dict().items()}


def class_options(path: str, state: dict[str, Tensor]) -> dict[str, Any]:
    """Return the ``--cfg-options`` that adapt a config to the number of classes of a state dict.

    Args:
        path: The config.
        state: State dict with the parameter names of this package.

    Returns:
        Settings by dotted key; empty if the config fits, or the number cannot be determined.
    """
    head = complete_levels(read_config(path, {}).model).bbox_head
    counts = set()
    for level, priors in enumerate(TASK_UTILS.build(head.prior_generator).num_base_priors):
        last = [
            value
            for name, value in state.items()
            if name.startswith(f'bbox_head.cls_convs.{level}.') and name.endswith('.weight')
        ]
        if not last or last[-1].shape[0] % priors:
            return {}
        counts.add(last[-1].shape[0] // priors)
    count = counts.pop()
    layout = output_layout(head)
    num_classes = count - (layout.background is not None)
    if counts or num_classes < 1 or count == layout.num_outputs:
        return {}
    unused = {'model.bbox_head.unused_outputs': ()} if layout.unused else {}
    return {'model.bbox_head.num_classes': num_classes, **unused}


def dataset_meta(
    cfg: Config, meta: dict[str, Any], classes: Sequence[str] | None, source: str | Path
) -> dict[str, Any]:
    """Return the names and colors of the classes, in the form that MMDetection keeps in a checkpoint.

    Args:
        cfg: Config whose dataset names its classes.
        meta: Metadata of the checkpoint. MMDetection's, 3.x or 2.x, name the classes it was trained on, which take
            precedence over those of the config.
        classes: Names given by the user, which take precedence over both.
        source: Path of the checkpoint, for the message.

    Raises:
        UserError: The number of names is not the number of classes of the network.
    """
    _, dataset = next(leaf_datasets(cfg.test_dataloader.dataset))
    known = {**DATASETS.get(dataset['type']).METAINFO, **dataset.get('metainfo', {})}
    in_file = (meta.get('dataset_meta') or {}).get('classes') or meta.get('CLASSES')
    names = tuple(map(str, classes or in_file or known['classes']))
    number = cfg.model.bbox_head.num_classes
    if len(names) != number:
        origin = 'given' if classes else 'named in it' if in_file else 'named by the config'
        raise UserError(
            f'{source} has {number} class(es) without the background, but {len(names)} are {origin}. Name them with '
            '--classes a,b,c in the order of the file'
        )
    same = names == tuple(known['classes']) and known.get('palette')
    return dict(classes=names, **(dict(palette=known['palette']) if same else {}))


def save_weights(
    target: str | Path, state: dict[str, Tensor], cfg: Config, meta: dict[str, Any], origin: dict[str, str]
) -> None:
    """Write weights with the config and the class names, which MMDetection's inference reads from a checkpoint.

    Args:
        target: File to write, atomically.
        state: State dict of the detector of the config.
        cfg: The config.
        meta: Names and colors of the classes, from :func:`dataset_meta`.
        origin: Format, config and source of the weights, kept in the checkpoint.

    Raises:
        UserError: The file cannot be written.
    """
    write_checkpoint(
        dict(meta=dict(cfg=cfg.pretty_text, dataset_meta=meta, ssd_plugin=origin), state_dict=state), target
    )
