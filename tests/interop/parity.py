"""Helpers of the parity tests: random weights, conversion into a detector, and its outputs for all priors."""

import math
from types import SimpleNamespace

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from torch import nn

from ssd_plugin.configs import read_config
from ssd_plugin.interop import FORMATS, convert_checkpoint
from ssd_plugin.interop.target_config import parameter_shapes
from ssd_plugin.ops.levels import flatten_levels


def randomize(model: nn.Module, forward) -> None:
    """Set random weights, and random batch-norm statistics around those of the data in ``forward``.

    Activations then neither vanish nor explode.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
    for norm in norms:
        norm.train()
        norm.momentum, norm.usual_momentum = 1.0, norm.momentum
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)
    if not norms:
        return
    with torch.no_grad():
        forward()
        for norm in norms:
            norm.eval()
            norm.momentum = norm.usual_momentum
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.5)
            norm.running_mean += 0.2 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)


def foreign_state(format_name: str, **options: object) -> dict[str, torch.Tensor]:
    """Return a complete state dict with the names of another implementation, and zeros.

    Args:
        format_name: One of :data:`FORMATS`.
        options: Changes of the usual config of the format, with ``__`` for a dot in the key.
    """
    form = FORMATS[format_name]
    changes = tuple((key.replace('__', '.'), value) for key, value in options.items())
    with DefaultScope.overwrite_default_scope('mmdet'):
        shapes = parameter_shapes(f'ssd_plugin::{form.configs[0]}', changes)
    state = {}
    for name, shape in shapes.items():
        source, ours = next((key, ours) for key, ours in form.names.items() if f'{name}.'.startswith(f'{ours}.'))
        state[source + name[len(ours) :]] = torch.zeros(
            shape, dtype=torch.long if 'num_batches' in name else torch.float32
        )
    return state


# Standard deviations of logits and offsets: scores then have all sizes, and boxes are near their priors.
LOGITS, OFFSETS = 2.0, 1.0


def calibrate(deviations: dict[nn.Conv2d, float], forward) -> None:
    """Scale prediction layers to outputs of the given standard deviations."""
    found = {}
    hooks = [
        layer.register_forward_hook(lambda module, _, out: found.update({module: out.std()})) for layer in deviations
    ]
    with torch.no_grad():
        forward()
        for layer, deviation in deviations.items():
            layer.weight *= deviation / found[layer]
    for hook in hooks:
        hook.remove()


def calibrate_head(head: nn.Module, forward) -> None:
    """Calibrate the prediction layers of this package's or of MMDetection's head."""
    levels = ((head.cls_convs, LOGITS), (head.reg_convs, OFFSETS))
    calibrate({level[-1]: deviation for convs, deviation in levels for level in convs}, forward)


def converted(state: dict, folder, **options):
    """Convert a state dict, and return the detector that it loads into strictly, and the conversion.

    The detector has the precision of the state dict: a deep random network amplifies the errors of single precision
    beyond the tolerances of the tests.
    """
    torch.save(state, folder / 'theirs.pth')
    found = convert_checkpoint(folder / 'theirs.pth', folder / 'ours.pth', **options)
    return load(folder / 'ours.pth', found), found


def load(path, found):
    cfg = read_config(found.config, found.options)
    cfg.model.backbone.init_cfg = None
    checkpoint = torch.load(path, weights_only=True)
    detector = MODELS.build(cfg.model).eval().to(next(iter(checkpoint['state_dict'].values())).dtype)
    detector.load_state_dict(checkpoint['state_dict'], strict=True)
    assert tuple(checkpoint['meta']['dataset_meta']['classes']) == found.classes
    return detector


def random_images(width: int, height: int, number: int = 2) -> torch.Tensor:
    """Return smooth random BGR images, ``(number, 3, height, width)`` uint8."""
    coarse = torch.rand(number, 3, math.ceil(height / 8), math.ceil(width / 8))
    return (255 * nn.functional.interpolate(coarse, (height, width), mode='bilinear')).round().to(torch.uint8)


@torch.no_grad()
def outputs(detector, images: torch.Tensor) -> SimpleNamespace:
    """Return normalized images, scores ``(B, P, classes)`` and boxes ``(B, P, 4)`` of all priors, and detections."""
    samples = [DetDataSample(metainfo=dict(img_shape=tuple(images.shape[-2:]))) for _ in images]
    data = detector.data_preprocessor(dict(inputs=list(images), data_samples=samples))
    head = detector.bbox_head
    logits, deltas = detector(data['inputs'], mode='tensor')
    flat = torch.cat([m.permute(0, 2, 3, 1).reshape(len(m), -1, 4) for m in deltas], dim=1)
    return SimpleNamespace(
        inputs=data['inputs'],
        scores=flatten_levels(logits, head.layout.num_outputs).softmax(dim=-1)[..., head.layout.class_outputs],
        boxes=head.bbox_coder.decode(head.predictions(logits, deltas).priors, flat),
        detections=head.predict_by_feat(logits, deltas, [sample.metainfo for sample in samples]),
    )


def assert_same_detections(found, boxes, scores, labels) -> None:
    """Assert that detections have the same number, order and labels, and equal boxes and scores."""
    assert len(found) == len(scores) > 10
    torch.testing.assert_close(found.scores, scores, rtol=1e-4, atol=1e-6, check_dtype=False)
    assert torch.equal(found.labels, labels)
    torch.testing.assert_close(found.bboxes, boxes, rtol=1e-4, atol=3e-3, check_dtype=False)
