import pytest
import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from mmdet.registry import MODELS

from ssd_plugin.models.necks.ssd_extra_layers import L2Norm

SSD300 = dict(
    type='SSDExtraLayers',
    in_channels=(512, 1024),
    out_channels=(512, 256, 256, 256),
    strides=(2, 2, 1, 1),
    paddings=(1, 1, 0, 0),
    l2_norm_scale=20,
)


def test_ssd300_equals_mmdetections_neck_and_takes_its_weights():
    theirs = MODELS.build(
        dict(
            type='SSDNeck',
            in_channels=(512, 1024),
            out_channels=(512, 1024, 512, 256, 256, 256),
            level_strides=(2, 2, 1, 1),
            level_paddings=(1, 1, 0, 0),
            l2_norm_scale=20,
        )
    )
    theirs.init_weights()
    torch.nn.init.uniform_(theirs.l2_norm.weight, 10, 30)
    ours = MODELS.build(SSD300)
    ours.load_state_dict(theirs.state_dict())
    inputs = [torch.randn(2, 512, 38, 38), torch.randn(2, 1024, 19, 19)]
    for ours_level, their_level in zip(ours(inputs), theirs(inputs)):
        torch.testing.assert_close(ours_level, their_level)


def test_l2_norm_starts_at_its_scale_and_has_length_scale():
    neck = MODELS.build(SSD300)
    neck.init_weights()
    assert (neck.l2_norm.weight == 20).all()
    out = neck.l2_norm(torch.randn(1, 512, 3, 3))
    torch.testing.assert_close(out.norm(dim=1), torch.full((1, 3, 3), 20.0))


def test_l2_norm_of_zeros_is_zero_with_a_finite_gradient():
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    L2Norm(4)(x).sum().backward()
    assert x.grad.isfinite().all()


def test_separable_layers_of_the_depthwise_detector():
    neck = MODELS.build(
        dict(
            type='SSDExtraLayers',
            in_channels=(64, 128, 256),
            out_channels=(256,),
            mid_channels=64,
            strides=(2,),
            paddings=(1,),
            separable=True,
        )
    )
    assert isinstance(neck.extra_layers[0][1], DepthwiseSeparableConvModule)
    levels = neck([torch.rand(1, 64, 30, 40), torch.rand(1, 128, 15, 20), torch.rand(1, 256, 8, 10)])
    assert [tuple(level.shape[1:]) for level in levels] == [(64, 30, 40), (128, 15, 20), (256, 8, 10), (256, 4, 5)]


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match='strides has 3'):
        MODELS.build({**SSD300, 'strides': (2, 2, 1)})


def test_linear_levels_end_without_an_activation():
    layers = dict(SSD300, l2_norm_scale=None, separable=True, norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU6'))
    torch.manual_seed(0)
    inputs = [torch.randn(2, 512, 38, 38), torch.randn(2, 1024, 19, 19)]
    linear, activated = (MODELS.build(dict(layers, linear=value)) for value in (True, False))
    activated.load_state_dict(linear.state_dict())
    assert linear(inputs)[2].min() < 0
    torch.testing.assert_close(linear(inputs)[2].clamp(0, 6), activated(inputs)[2])


def test_first_level_takes_another_normalization():
    neck = MODELS.build(dict(SSD300, l2_norm_scale=None, first_norm_cfg=dict(type='BN')))
    first = neck([3 + 2 * torch.randn(4, 512, 38, 38), torch.randn(4, 1024, 19, 19)])[0]
    torch.testing.assert_close(first.mean(dim=(0, 2, 3)), torch.zeros(512), atol=1e-3, rtol=0)
    torch.testing.assert_close(first.std(dim=(0, 2, 3)), torch.ones(512), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    'options, message', [(dict(linear=True), 'separable'), (dict(first_norm_cfg=dict(type='BN')), 'not both')]
)
def test_options_that_exclude_each_other_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(SSD300, **options))
