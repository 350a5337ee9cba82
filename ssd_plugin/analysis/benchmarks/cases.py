"""What is measured. Each case gives functions by name, which :func:`ssd_plugin.analysis.benchmarks.timing.compare` calls in turn."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import torch
from mmdet.registry import DATASETS
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from ssd_plugin.configs import read_config

from . import synthetic_batches
from .peers import (
    MMDET,
    OURS,
    SIZE,
    TORCHVISION,
    build_detector,
    build_peers,
    torchvision_anchors,
    torchvision_loss,
    torchvision_outputs,
)
from .reencoded_photos import classes_of

Functions = dict[str, Callable[[], object]]
FLOOR = 'network alone'


@dataclass(frozen=True)
class Setting:
    """What the cases vary."""

    batch: int = 32
    classes: int = 20
    objects: int = 10
    device: torch.device = torch.device('cpu')
    amp: torch.dtype | None = None
    channels_last: bool = False
    compile: bool = False

    def autocast(self):
        """Mixed precision, if any."""
        return nullcontext() if self.amp is None else torch.autocast(self.device.type, self.amp)


def loss(setting: Setting, gradients: bool = False) -> Functions:
    """Matching, mining and loss from the outputs of the network, with or without their gradients."""
    peers = build_peers(setting.classes, setting.device)
    maps = synthetic_batches.network_outputs(setting.batch, setting.classes, setting.device)
    objects = synthetic_batches.ground_truth(setting.batch, setting.objects, setting.classes, setting.device)
    ignored = [synthetic_batches.nothing(setting.device)] * setting.batch
    metas = synthetic_batches.metas(setting.batch)
    outputs = torchvision_outputs(*maps, setting.classes + 1)
    anchors = torchvision_anchors(peers[TORCHVISION], setting.batch, setting.device)
    targets = [dict(boxes=instances.bboxes, labels=instances.labels + 1) for instances in objects]
    leaves = {name: [m.clone().requires_grad_(gradients) for m in maps[0] + maps[1]] for name in (OURS, MMDET)}
    leaves[TORCHVISION] = [value.requires_grad_(gradients) for value in outputs.values()]

    def by_head(name: str) -> Callable:
        cls_maps, box_maps = leaves[name][:6], leaves[name][6:]
        return lambda: peers[name].bbox_head.loss_by_feat(cls_maps, box_maps, objects, metas, ignored)

    functions = {
        OURS: by_head(OURS),
        MMDET: by_head(MMDET),
        TORCHVISION: lambda: torchvision_loss(peers[TORCHVISION], outputs, anchors, targets),
    }
    if not gradients:
        return functions
    return {name: _with_gradients(function, leaves[name]) for name, function in functions.items()}


def _with_gradients(function: Callable[[], dict], leaves: list[Tensor]) -> Callable:
    return lambda: torch.autograd.grad(_total(function()), leaves)


def _total(losses: dict) -> Tensor:
    parts = (part for name, part in losses.items() if name != 'num_positives')
    return sum(sum(part) if isinstance(part, list) else part for part in parts).sum()


def predict(setting: Setting, trained: bool) -> Functions:
    """Detections from the outputs of the network, by the settings that each package ships."""
    peers = {name: peer.eval() for name, peer in build_peers(setting.classes, setting.device).items()}
    if trained:
        maps = synthetic_batches.trained_outputs(
            peers[OURS].bbox_head, setting.batch, setting.classes, setting.objects, setting.device
        )
    else:
        maps = synthetic_batches.network_outputs(setting.batch, setting.classes, setting.device)
    metas = synthetic_batches.metas(setting.batch)
    outputs = torchvision_outputs(*maps, setting.classes + 1)
    anchors = torchvision_anchors(peers[TORCHVISION], setting.batch, setting.device)
    sizes = [(SIZE, SIZE)] * setting.batch
    functions = {
        name: lambda name=name: peers[name].bbox_head.predict_by_feat(*maps, batch_img_metas=metas)
        for name in (OURS, MMDET)
    }
    functions[TORCHVISION] = lambda: peers[TORCHVISION].postprocess_detections(outputs, anchors, sizes)
    return {name: torch.no_grad()(function) for name, function in functions.items()}


def train_step(setting: Setting) -> Functions:
    """Forward, loss, backward and the step of the optimiser of SSD300, and forward and backward of the bare network."""
    peers = {
        name: _prepared(peer.train(), setting) for name, peer in build_peers(setting.classes, setting.device).items()
    }
    images, normal = _images(setting, SIZE, SIZE)
    samples = synthetic_batches.samples(setting.batch, setting.objects, setting.classes, setting.device)
    targets = [dict(boxes=s.gt_instances.bboxes, labels=s.gt_instances.labels + 1) for s in samples]
    losses = {name: lambda name=name: _total(peers[name].loss(normal, samples)) for name in (OURS, MMDET)}
    losses[TORCHVISION] = lambda: _total(peers[TORCHVISION](list(images), targets))
    losses[FLOOR] = lambda: sum(m.float().square().mean() for maps in peers[OURS]._forward(normal) for m in maps)
    optimizers = {
        name: torch.optim.SGD(peers[OURS if name == FLOOR else name].parameters(), lr=1e-6, momentum=0.9)
        for name in losses
    }

    def step(name: str) -> None:
        optimizers[name].zero_grad()
        with setting.autocast():
            total = losses[name]()
        total.backward()
        if name != FLOOR:
            optimizers[name].step()

    return {name: lambda name=name: step(name) for name in losses}


def infer(setting: Setting, config: str | None = None) -> Functions:
    """Detections of prepared images by whole detectors; the parts of ours, too.

    Args:
        setting: what varies.
        config: of a detector of this package; ``None`` for SSD300 beside the others.
    """
    if config is None:
        peers = {
            name: _prepared(peer.eval(), setting) for name, peer in build_peers(setting.classes, setting.device).items()
        }
    else:
        peers = {OURS: _prepared(build_detector(config).eval(), setting)}
    ours = peers[OURS]
    width, height = ours.bbox_head.prior_generator.input_size
    images, normal = _images(setting, width, height)
    samples = synthetic_batches.samples(setting.batch, 0, setting.classes, setting.device)
    for sample in samples:
        sample.set_metainfo(dict(img_shape=(height, width), ori_shape=(height, width)))
    functions = {name: lambda name=name: peers[name].predict(normal, samples) for name in peers if name != TORCHVISION}
    if TORCHVISION in peers:
        functions[TORCHVISION] = lambda: peers[TORCHVISION](list(images))
    functions[FLOOR] = lambda: ours._forward(normal)
    with torch.no_grad(), setting.autocast():
        stages = ours.backbone(normal)
        maps = ours.neck(stages)
        outputs = ours.bbox_head(maps)
    metas = [sample.metainfo for sample in samples]
    functions |= {
        'backbone': lambda: ours.backbone(normal),
        'extra layers': lambda: ours.neck(stages),
        'head': lambda: ours.bbox_head(maps),
        'post-processing': lambda: ours.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas),
    }

    def run(function: Callable) -> object:
        with torch.no_grad(), setting.autocast():
            return function()

    return {name: lambda function=function: run(function) for name, function in functions.items()}


@DefaultScope.overwrite_default_scope('mmdet')
def pipeline(data_root: str) -> Functions:
    """The next image of a folder in VOC layout through the training pipeline: ours, MMDetection's for SSD, and decoding whole images
    alone, by ours and by theirs.

    Args:
        data_root: folder with ``ImageSets/Main/train.txt``.
    """
    dataset = DATASETS.build(
        dict(
            type='VOCDataset',
            data_root=data_root,
            metainfo=dict(classes=classes_of(Path(data_root))),
            ann_file='ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root=''),
            pipeline=[],
        )
    )
    ours = read_config('ssd_plugin::_base_/pipelines/ssd300.py').train_pipeline
    stock = read_config('ssd_plugin::_base_/pipelines/stock.py').stock_pipeline
    steps = {OURS: ours, MMDET: stock, 'decoding alone': [{**ours[0], 'decode': True}], 'its decoding alone': stock[:1]}

    def next_image(transform: Compose) -> Callable:
        order = cycle(range(len(dataset)))
        return lambda: transform(dataset.get_data_info(next(order)))

    return {name: next_image(Compose(parts)) for name, parts in steps.items()}


def _images(setting: Setting, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Random images in [0, 1], as torchvision takes them, and normalised."""
    images = torch.rand(setting.batch, 3, height, width, device=setting.device)
    normal = (images - 0.5) * 4
    return images, normal.to(memory_format=torch.channels_last) if setting.channels_last else normal


def _prepared(model: nn.Module, setting: Setting) -> nn.Module:
    if setting.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if setting.compile:
        for part in (
            getattr(model, name) for name in ('backbone', 'neck', 'bbox_head', 'head') if hasattr(model, name)
        ):
            part.compile()
    return model
