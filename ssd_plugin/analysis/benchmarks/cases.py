"""Cases of the benchmark.

Each case returns functions by name, which :func:`ssd_plugin.analysis.benchmarks.timing.compare` calls in turn.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import DATASETS
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import Tensor

from ssd_plugin.configs import read_config
from ssd_plugin.datasets.annotations import voc
from ssd_plugin.errors import UserError

from . import synthetic_batches
from .peers import (
    MMDET,
    OURS,
    SIZE,
    TORCHVISION,
    Detector,
    build_detector,
    build_peers,
    torchvision_anchors,
    torchvision_loss,
    torchvision_outputs,
)
from .reencoded_photos import classes_of

Functions = dict[str, Callable[[], object]]
FLOOR = 'network alone'
PIPELINE_LISTS = ('train', 'trainval', 'val', 'test')
NETWORK_PARTS = ('backbone', 'neck', 'bbox_head', 'head')


@dataclass(frozen=True)
class Setting:
    """Settings of a case.

    Attributes:
        batch: Number of images.
        classes: Number of classes without the background.
        objects: Number of objects per image.
        device: Device to run on.
        amp: Type of automatic mixed precision, ``None`` for full precision.
        channels_last: Whether networks and images use the channels-last memory layout.
        compile: Whether networks are compiled.
    """

    batch: int = 32
    classes: int = 20
    objects: int = 10
    device: torch.device = field(default_factory=partial(torch.device, 'cpu'))
    amp: torch.dtype | None = None
    channels_last: bool = False
    compile: bool = False

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context of automatic mixed precision, or one that does nothing."""
        return nullcontext() if self.amp is None else torch.autocast(self.device.type, self.amp)


def loss(setting: Setting, gradients: bool = False) -> Functions:
    """Return functions that match, mine and compute the loss from outputs of the network.

    Args:
        setting: Settings of the case.
        gradients: Whether they also compute the gradients of the outputs.
    """
    peers = build_peers(setting.classes, setting.device)
    maps = synthetic_batches.network_outputs(setting.batch, setting.classes, setting.device)
    objects = synthetic_batches.ground_truth(setting.batch, setting.objects, setting.classes, setting.device)
    ignored = [synthetic_batches.no_objects(setting.device)] * setting.batch
    metas = synthetic_batches.metas(setting.batch)
    outputs = torchvision_outputs(*maps, setting.classes + 1)
    anchors = torchvision_anchors(peers[TORCHVISION], setting.batch, setting.device)
    targets = [dict(boxes=instances.bboxes, labels=instances.labels + 1) for instances in objects]
    leaves = {name: [m.clone().requires_grad_(gradients) for m in maps[0] + maps[1]] for name in (OURS, MMDET)}
    leaves[TORCHVISION] = [value.requires_grad_(gradients) for value in outputs.values()]

    def by_head(name: str) -> Callable[[], dict[str, Any]]:
        cls_maps, box_maps = leaves[name][:6], leaves[name][6:]
        return lambda: peers[name].bbox_head.loss_by_feat(cls_maps, box_maps, objects, metas, ignored)

    functions: dict[str, Callable[[], dict[str, Any]]] = {
        OURS: by_head(OURS),
        MMDET: by_head(MMDET),
        TORCHVISION: lambda: torchvision_loss(peers[TORCHVISION], outputs, anchors, targets),
    }
    if not gradients:
        return {**functions}
    return {name: _with_gradients(function, leaves[name]) for name, function in functions.items()}


def _with_gradients(function: Callable[[], dict[str, Any]], leaves: list[Tensor]) -> Callable[[], object]:
    """Return a function that also computes the gradients of the losses."""
    return lambda: torch.autograd.grad(_total(function()), leaves)


def _total(losses: dict[str, Any]) -> Tensor:
    """Return the sum of the losses, each a tensor or a list of tensors; MMDetection's have one or no dimension."""
    values = [value for name, value in losses.items() if name != 'num_positives']
    parts = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return torch.cat([part.flatten() for part in parts]).sum()


def predict(setting: Setting, trained: bool) -> Functions:
    """Return functions that compute detections from outputs of the network, with each package's own settings.

    Args:
        setting: Settings of the case.
        trained: Whether the scores resemble those of a trained network.
    """
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
    functions: Functions = {
        name: partial(peers[name].bbox_head.predict_by_feat, *maps, batch_img_metas=metas) for name in (OURS, MMDET)
    }
    functions[TORCHVISION] = lambda: peers[TORCHVISION].postprocess_detections(outputs, anchors, sizes)
    return {name: torch.no_grad()(function) for name, function in functions.items()}


def train_step(setting: Setting) -> Functions:
    """Return functions that do a training step of SSD300: forward, loss, backward and optimizer step.

    One more does the forward and backward pass of the bare network.
    """
    peers = {
        name: _prepared(peer.train(), setting) for name, peer in build_peers(setting.classes, setting.device).items()
    }
    images, normal = _images(setting, SIZE, SIZE)
    samples = synthetic_batches.samples(setting.batch, setting.objects, setting.classes, setting.device)
    targets = [dict(boxes=s.gt_instances.bboxes, labels=s.gt_instances.labels + 1) for s in samples]
    losses: dict[str, Callable[[], Tensor]] = {
        name: lambda name=name: _total(peers[name].loss(normal, samples)) for name in (OURS, MMDET)
    }
    losses[TORCHVISION] = lambda: _total(peers[TORCHVISION](list(images), targets))
    losses[FLOOR] = lambda: torch.stack(
        [m.float().square().mean() for maps in peers[OURS](normal, mode='tensor') for m in maps]
    ).sum()
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

    return {name: partial(step, name) for name in losses}


def infer(setting: Setting, config: str | None = None) -> Functions:
    """Return functions that detect objects in normalized images with complete detectors, and run the parts of ours.

    Args:
        setting: Settings of the case.
        config: Config of a detector of this package, which is measured alone; ``None`` for SSD300 beside its peers.
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
    functions: Functions = {
        name: partial(peer.predict, normal, samples) for name, peer in peers.items() if name != TORCHVISION
    }
    if TORCHVISION in peers:
        functions[TORCHVISION] = lambda: peers[TORCHVISION](list(images))
    functions[FLOOR] = lambda: ours(normal, mode='tensor')
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

    def run(function: Callable[[], object]) -> object:
        with torch.no_grad(), setting.autocast():
            return function()

    return {name: partial(run, function) for name, function in functions.items()}


def list_of_images(root: Path) -> Path:
    """Return the first list that exists of :data:`PIPELINE_LISTS` in a folder in VOC layout.

    Raises:
        UserError: The folder has none of them.
    """
    lists = [voc.list_of(root, split) for split in PIPELINE_LISTS]
    for path in lists:
        if path.is_file():
            return path
    raise UserError(
        f'pipeline reads the images of a list, but {lists[0].parent} has none of '
        f'{", ".join(path.name for path in lists)}; {voc.split_remedy(root)}'
    )


@DefaultScope.overwrite_default_scope('mmdet')
def pipeline(data_root: str) -> Functions:
    """Return functions that prepare the next image of a dataset for training.

    They run our training pipeline, MMDetection's pipeline for SSD, and the decoding of complete images alone, by our
    transform and by MMDetection's.

    Args:
        data_root: Folder in VOC layout, whose images are those of :func:`list_of_images`.
    """
    listed = list_of_images(Path(data_root))
    dataset = DATASETS.build(
        dict(
            type='VOCDataset',
            data_root=data_root,
            metainfo=dict(classes=classes_of(Path(data_root))),
            ann_file=str(listed.relative_to(data_root)),
            data_prefix=dict(sub_data_root=''),
            pipeline=[],
        )
    )
    ours = read_config('ssd_plugin::_base_/pipelines/ssd300.py').train_pipeline
    stock = read_config('ssd_plugin::_base_/pipelines/stock.py').stock_pipeline
    steps = {OURS: ours, MMDET: stock, 'decoding alone': [{**ours[0], 'decode': True}], 'its decoding alone': stock[:1]}

    def next_image(transform: Compose) -> Callable[[], object]:
        order = cycle(range(len(dataset)))
        return lambda: transform(dataset.get_data_info(next(order)))

    return {name: next_image(Compose(parts)) for name, parts in steps.items()}


def _images(setting: Setting, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Return random images in [0, 1], which torchvision takes, and the same normalized."""
    images = torch.rand(setting.batch, 3, height, width, device=setting.device)
    normal = (images - 0.5) * 4
    return images, normal.to(memory_format=torch.channels_last) if setting.channels_last else normal


def _prepared(model: Detector, setting: Setting) -> Detector:
    """Return a detector with the memory layout and compilation of the setting."""
    if setting.channels_last:
        model = model.to(memory_format=torch.channels_last)
    if setting.compile:
        for name, part in model.named_children():
            if name in NETWORK_PARTS:
                part.compile()
    return model
