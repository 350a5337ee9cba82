import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData
from torch import nn

from ssd_plugin.engine.optimizers.pooled_optim_wrapper import PooledOptimWrapper

SIZE = 64


class Detector(nn.Module):
    """A convolution and a head, without batch norm."""

    def __init__(self, **options):
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 3, stride=16, padding=1)
        self.bbox_head = MODELS.build(
            dict(
                type='MultiBoxHead',
                num_classes=3,
                in_channels=(8,),
                prior_generator=dict(
                    type='SSDPriorGenerator', input_size=SIZE, strides=[16], sizes=[(20, 30)], aspect_ratios=[[2]]
                ),
                bbox_coder=dict(type='VarianceBBoxCoder'),
                test_cfg=dict(),
                **{**dict(matcher=dict(type='SSDMatcher'), loss_multibox=dict(type='MultiBoxLoss')), **options},
            )
        )

    def forward(self, images, objects):
        return self.bbox_head.loss_by_feat(*self.bbox_head([self.backbone(images)]), objects, [{}] * len(images))


def data(batch):
    """Images with very different numbers of objects."""
    objects = []
    for index in range(batch):
        corner = torch.rand(index % 4 * 3, 2) * 40
        objects.append(
            InstanceData(bboxes=torch.cat([corner, corner + 20], dim=1), labels=torch.randint(3, (len(corner),)))
        )
    return torch.randn(batch, 3, SIZE, SIZE), objects


def train(detector, wrapper_type, images, objects, small, steps=3, **options):
    optimizer = torch.optim.SGD(detector.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    wrapper = wrapper_type(optimizer, accumulative_counts=len(images) // small, **options)
    for _ in range(steps):
        for start in range(0, len(images), small):
            with wrapper.optim_context(detector):
                losses = detector(images[start : start + small], objects[start : start + small])
            wrapper.update_params(sum(value for name, value in losses.items() if 'loss' in name))
    return torch.cat([parameter.detach().flatten() for parameter in detector.parameters()])


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(matcher=dict(type='ManyToManyMatcher', iou_threshold=0.3), loss_multibox=dict(type='ManyToManyLoss')),
    ],
)
@pytest.mark.parametrize('small', [1, 2, 4])
@pytest.mark.parametrize('clip', [None, dict(max_norm=0.5)])
def test_small_batches_give_the_weights_of_the_large_one(options, small, clip):
    detector, (images, objects) = Detector(**options), data(8)
    detector.bbox_head.init_weights()
    start = torch.cat([parameter.detach().flatten() for parameter in detector.parameters()])
    whole = train(copy.deepcopy(detector), OptimWrapper, images, objects, 8, clip_grad=clip)
    pooled = train(copy.deepcopy(detector), PooledOptimWrapper, images, objects, small, clip_grad=clip)
    torch.testing.assert_close(pooled, whole, rtol=1e-5, atol=1e-6)
    # The mean over small batches is another thing.
    usual = train(copy.deepcopy(detector), OptimWrapper, images, objects, small, clip_grad=clip)
    assert (usual - whole).abs().max() > 20 * (pooled - whole).abs().max() and (whole - start).abs().max() > 1e-3


def test_batches_without_objects_change_nothing_but_what_decays():
    detector = Detector()
    images = torch.randn(2, 3, SIZE, SIZE)
    nothing = [InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))] * 2
    found = train(detector, PooledOptimWrapper, images, nothing, 1)
    assert found.isfinite().all()


def test_losses_that_do_not_report_their_positives_are_refused():
    model = nn.Linear(2, 2)
    wrapper = PooledOptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0), accumulative_counts=2)
    with wrapper.optim_context(model):
        loss = model(torch.ones(1, 2)).sum()
    with pytest.raises(TypeError, match='num_positives, which the model'):
        wrapper.update_params(loss)
    assert not model._forward_hooks
