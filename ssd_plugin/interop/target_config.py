"""What weights are written for: a config of this package, with its parameters and the names of its classes."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from mmdet.registry import DATASETS, MODELS, TASK_UTILS
from mmengine.config import Config
from torch import Tensor

from ssd_plugin.configs import leaf_datasets, read_config
from ssd_plugin.errors import UserError

from .checkpoint_files import write_checkpoint


@cache
def parameter_shapes(path: str, options: tuple[tuple, ...]) -> dict[str, torch.Size]:
    """Names and shapes of the parameters of a config's detector, in their order; ``options`` are items of ``--cfg-options``."""
    cfg = read_config(path, dict(options))
    with torch.device('meta'):
        detector = MODELS.build(cfg.model)
    return {name: value.shape for name, value in detector.state_dict().items()}


def class_options(path: str, state: dict[str, Tensor]) -> dict:
    """What ``--cfg-options`` must change in a config for weights of another number of classes; ``{}`` where that cannot be told."""
    head = read_config(path, {}).model.bbox_head
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
    unused = head.get('unused_outputs', ())
    if counts or count < 2 or count == head.num_classes + 1 + len(unused):
        return {}
    return {'model.bbox_head.num_classes': count - 1, **({'model.bbox_head.unused_outputs': ()} if unused else {})}


def dataset_meta(cfg: Config, meta: dict, classes: Sequence[str] | None, source: str | Path) -> dict:
    """Names and colours of the classes, in the form that MMDetection keeps in a checkpoint.

    Args:
        cfg: the config, whose data set names its classes.
        meta: of the checkpoint; MMDetection's, 3.x or 2.x, names the classes that it was trained on.
        classes: names that the user gave, which count before both.
        source: the checkpoint, for the message.

    Raises:
        UserError: there are not as many names as the network has classes.
    """
    _, dataset = next(leaf_datasets(cfg.test_dataloader.dataset))
    known = {**DATASETS.get(dataset.type).METAINFO, **dataset.get('metainfo', {})}
    in_file = (meta.get('dataset_meta') or {}).get('classes') or meta.get('CLASSES')
    names, whose = (
        classes or in_file or known['classes'],
        'given' if classes else 'named in it' if in_file else "the config's",
    )
    number = cfg.model.bbox_head.num_classes
    if len(names) != number:
        raise UserError(
            f'{source} has {number} class(es) without the background, and {len(names)} are {whose}. Name them with '
            '--classes a,b,c in the order of the file'
        )
    names = tuple(map(str, names))
    same = names == tuple(known['classes']) and known.get('palette')
    return dict(classes=names, **(dict(palette=known['palette']) if same else {}))


def save_weights(target: str | Path, state: dict[str, Tensor], cfg: Config, meta: dict, origin: dict) -> None:
    """Write weights with what MMDetection's inference reads from a checkpoint: the config and the names of the classes.

    Args:
        target: file to write; written whole or not at all.
        state: state dict of the config's detector.
        cfg: the config.
        meta: as from :func:`dataset_meta`.
        origin: where the weights come from.
    """
    write_checkpoint(
        dict(meta=dict(cfg=cfg.pretty_text, dataset_meta=meta, ssd_plugin=origin), state_dict=state), target
    )
