"""Channels and strides of a detector's feature maps, taken from its network where its config leaves them out."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS, TASK_UTILS
from torch import Tensor, nn

from ssd_plugin.errors import first_line

from .heads import MultiBoxHead
from .necks import SSDExtraLayers
from .task_modules import SSDPriorGenerator

# Side of the images by which channels are found where no prior generator names the size of the input.
_SIDE = 320
# What a config needs where its network cannot be run without data.
_REMEDY = 'Give in_channels of model.neck and model.bbox_head, and strides of its prior_generator'


def complete_levels(model: Any) -> Any:
    """Return the config of a detector with the channels and strides that it leaves to its network.

    These are ``in_channels`` of :class:`SSDExtraLayers` and of :class:`MultiBoxHead`, and ``strides`` of
    :class:`SSDPriorGenerator`, where they are ``None`` or missing. Backbone and neck are run once, on the meta device,
    which computes shapes only; so this serves any backbone, also those of MMDetection.

    Args:
        model: Config of a detector with ``backbone``, ``neck`` or none, and ``bbox_head``. It is not changed.

    Returns:
        The config itself if it leaves nothing out, otherwise a completed copy.

    Raises:
        ValueError: Parts do not agree, or the network does not run; the message names both sides.
    """
    neck, head, generator = _parts(model)
    open_neck = _is_open(neck, MODELS, SSDExtraLayers, 'in_channels')
    open_head = _is_open(head, MODELS, MultiBoxHead, 'in_channels')
    open_priors = _is_open(generator, TASK_UTILS, SSDPriorGenerator, 'strides')
    if not (open_neck or open_head or open_priors):
        return model
    model = copy.deepcopy(model)
    neck, head, generator = _parts(model)
    backbone = model['backbone']
    width, height = _input_size(generator)
    images = torch.zeros(1, backbone.get('in_channels', 3), height, width, device='meta')
    giver, maps = 'model.backbone', _feature_maps('model.backbone', backbone, images)
    if neck:
        if open_neck:
            neck['in_channels'] = channels_of(maps)
        check_channels(giver, maps, 'model.neck.in_channels', neck.get('in_channels'))
        giver, maps = 'model.neck', _feature_maps('model.neck', neck, maps)
    if open_head:
        head['in_channels'] = channels_of(maps)
    check_channels(giver, maps, 'model.bbox_head.in_channels', head.get('in_channels'))
    if open_priors:
        sizes = [(level.shape[-2], level.shape[-1]) for level in maps]
        _check_number(giver, sizes, generator, 'model.bbox_head.prior_generator')
        _check_number(giver, sizes, head, 'model.bbox_head')
        generator['strides'] = [(stride_of(width, x), stride_of(height, y)) for y, x in sizes]
    return model


def channels_of(maps: Sequence[Tensor]) -> tuple[int, ...]:
    """Return the number of channels of feature maps ``(B, C, H, W)``."""
    return tuple(level.shape[1] for level in maps)


def check_channels(giver: str, maps: Sequence[Tensor], key: str, wanted: Any) -> None:
    """Check that feature maps have the channels that the next part is configured for.

    Args:
        giver: Key of the part that gives them.
        maps: Per level, ``(B, C, H, W)``.
        key: Key of the channels that the next part takes.
        wanted: Its value. Only sequences are checked.

    Raises:
        ValueError: They do not; the message names both sides.
    """
    given = channels_of(maps)
    if isinstance(wanted, (list, tuple)) and tuple(wanted) != given:
        raise ValueError(
            f'levels do not agree: {giver} gives channels {given}, {key} is {tuple(wanted)}. MultiBoxDetector takes '
            f'them from the network where {key}=None'
        )


def stride_of(side: int, cells: int) -> float:
    """Return a stride for which :class:`SSDPriorGenerator` has ``cells`` along a side of the input, in pixels.

    It is a whole number where there is one, as in the original release: 38 cells of 300 pixels have the stride 8, and 3
    have the stride 100.
    """
    stride = math.ceil(side / cells)
    # Of rounding errors in side / cells, the ceiling of the quotient would make another cell.
    return stride if math.ceil(side / stride) == cells else math.nextafter(side / cells, math.inf)


def _parts(model: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the configs of neck, head and prior generator; an empty dict for what a model does not have."""
    neck, head = (part if isinstance(part, dict) else {} for part in (model.get('neck'), model.get('bbox_head')))
    generator = head.get('prior_generator')
    return neck, head, generator if isinstance(generator, dict) else {}


def _is_open(part: dict[str, Any], registry: Any, kind: type, key: str) -> bool:
    """Return whether the config of a part is of some kind and leaves a setting out."""
    if part.get(key) is not None:
        return False
    target = part.get('type')
    target = registry.get(target) if isinstance(target, str) else target
    return isinstance(target, type) and issubclass(target, kind)


def _input_size(generator: dict[str, Any]) -> tuple[int, int]:
    """Return the (width, height) of the input that a prior generator is configured for."""
    size = generator.get('input_size', _SIDE)
    width, height = (size, size) if isinstance(size, int) else size
    return width, height


def _feature_maps(key: str, part: dict[str, Any], inputs: Any) -> Sequence[Tensor]:
    """Return the outputs of a backbone or neck, without data; the random numbers stay as they are."""
    # Some networks compute numbers while they are built, which the meta device cannot.
    with torch.random.fork_rng(devices=[]), torch.device('cpu'):
        network: nn.Module = MODELS.build(part)
    network.to('meta')
    # In a statement of its own: MMDetection's backbones return nothing here.
    network.eval()
    try:
        return network(inputs)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f'the feature maps of {key} cannot be found out: {first_line(error)}. {_REMEDY}') from error


def _check_number(giver: str, sizes: Sequence[tuple[int, int]], options: dict[str, Any], key: str) -> None:
    """Check that options with one value per level have as many as there are feature maps.

    Raises:
        ValueError: They have not; the message names both sides.
    """
    for name in ('aspect_ratios', 'scales', 'sizes', 'predictor'):
        value = options.get(name)
        if isinstance(value, (list, tuple)) and len(value) != len(sizes):
            maps = ', '.join(f'{width}x{height}' for height, width in sizes)
            raise ValueError(
                f'levels do not agree: {giver} gives {len(sizes)} feature maps ({maps}), {key}.{name} has {len(value)}'
            )
