"""Replay of a batch whose gradients were not finite, image by image."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ssd_plugin.engine.optimizers.nonfinite_batch import NonfiniteBatch
from ssd_plugin.errors import UserError

MAX_LISTED = 3


@dataclass(frozen=True)
class ImageReplay:
    """What an image does in the forward and backward pass.

    Attributes:
        first_layer: Name of the first layer whose output is not finite; ``None`` if all are finite.
        losses: Values of the losses by name.
        parameters: Names of the parameters whose gradients are not finite.
    """

    first_layer: str | None
    losses: dict[str, float]
    parameters: list[str]


def replay_file(path: str | Path) -> Iterator[str]:
    """Replay a kept batch, and yield the lines of a report.

    Args:
        path: File ``nonfinite_iter_N.pth`` of a work directory.

    Raises:
        UserError: It is not such a file.
    """
    try:
        batch = NonfiniteBatch.read(path)
        cfg = Config.fromstring(batch.config, file_format='.py')
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f'{path} is not a batch that training has kept: {error}') from error
    init_default_scope('mmdet')
    model = MODELS.build(dict(cfg.model, backbone=dict(cfg.model.backbone, init_cfg=None)))
    model.load_state_dict(batch.state_dict, strict=False)
    yield f'iteration {batch.iteration}, losses {batch.losses}'
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    yield f'weights: {describe_values(weights)}'
    for image, sample in zip(batch.inputs, batch.samples):
        yield str(sample['metainfo'].get('img_path', '?'))
        yield f'    inputs: {describe_values(image.float())}'
        yield f'    boxes: {len(sample["bboxes"])}, {describe_values(sample["bboxes"])}'
        found = replay_image(model, image, sample)
        yield f'    first layer whose output is not finite: {found.first_layer or "none"}'
        yield '    losses: ' + ', '.join(f'{name} {value:.4g}' for name, value in found.losses.items())
        listed = ', '.join(found.parameters[:MAX_LISTED]) + (', ...' if len(found.parameters) > MAX_LISTED else '')
        yield f'    gradients that are not finite: {listed or "none"}'


def replay_image(model: BaseDetector, image: Tensor, sample: dict[str, Any]) -> ImageReplay:
    """Run the forward and backward pass of one image by itself, with the running statistics of batch norm.

    Args:
        model: Detector.
        image: ``(3, H, W)`` before the data preprocessor.
        sample: ``metainfo``, ``bboxes`` ``(N, 4)`` xyxy and ``labels`` ``(N,)``.
    """
    data = DetDataSample(metainfo=sample['metainfo'])
    data.gt_instances = InstanceData(bboxes=sample['bboxes'], labels=sample['labels'])
    data.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    model.eval()
    batch = model.data_preprocessor(dict(inputs=[image], data_samples=[data]), training=True)
    with _watched_layers(model) as layers:
        losses = model.loss(batch['inputs'], batch['data_samples'])
    model.zero_grad()
    model.parse_losses(losses)[0].backward()
    return ImageReplay(
        first_layer=layers[0] if layers else None,
        losses={name: value.item() for name, value in losses.items() if 'loss' in name},
        parameters=[
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and not parameter.grad.isfinite().all()
        ],
    )


def describe_values(values: Tensor) -> str:
    """Return in words whether the values of a tensor are finite, with the largest magnitude."""
    if not values.isfinite().all():
        return f'not finite ({(~values.isfinite()).sum().item()} of {values.numel()} values)'
    return f'finite, magnitudes up to {values.abs().max().item():.4g}' if values.numel() else 'finite'


@contextmanager
def _watched_layers(model: nn.Module) -> Iterator[list[str]]:
    """Provide a list to which the names of layers with a non-finite output are appended, in the order of execution."""
    found: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, inputs: Any, outputs: Any) -> None:
            if isinstance(outputs, Tensor) and not outputs.isfinite().all():
                found.append(name)

        return look

    handles = [
        module.register_forward_hook(watch(name))
        for name, module in model.named_modules()
        if not list(module.children())
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
