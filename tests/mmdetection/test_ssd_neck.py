"""What MMDetection checks of ``SSDNeck``, of ``SSDExtraLayers``.

Differences: ``out_channels`` are those of the extra levels, without the levels of the backbone before them; there is no
L2 normalization unless ``l2_norm_scale`` is given, and ``l2_norm`` is then ``None``; where the backbone has a single
level, the extra ones are of its features before the normalization; arguments that contradict each other are a
``ValueError``, not an ``AssertionError``.
"""

import pytest
import torch
from mmcv.cnn import DepthwiseSeparableConvModule
from mmdet.registry import MODELS


def build(**options):
    return MODELS.build(dict(type='SSDExtraLayers', **options))


@pytest.mark.parametrize('options', [dict(strides=[2], paddings=[2, 1]), dict(strides=[2, 2], paddings=[2, 2])])
def test_levels_that_do_not_agree_are_refused(options):
    with pytest.raises(ValueError, match=r'level\(s\), but out_channels has 1'):
        build(in_channels=[8, 16], out_channels=[32], **options)


@pytest.mark.parametrize('theirs', [False, True])
def test_the_extra_levels_have_the_sizes_of_their_strides(theirs):
    if theirs:
        neck = MODELS.build(
            dict(type='SSDNeck', in_channels=[4], out_channels=[4, 8, 16], level_strides=[2, 1], level_paddings=[1, 0])
        )
    else:
        neck = build(in_channels=[4], out_channels=[8, 16], strides=[2, 1], paddings=[1, 0], l2_norm_scale=20.0)
    outputs = neck((torch.rand(1, 4, 16, 16),))
    assert [output.shape for output in outputs] == [(1, 4, 16, 16), (1, 8, 8, 8), (1, 16, 6, 6)]


def necks_with_the_same_weights(in_channels):
    theirs = MODELS.build(
        dict(
            type='SSDNeck',
            in_channels=in_channels,
            out_channels=[*in_channels, 8, 16],
            level_strides=[2, 1],
            level_paddings=[1, 0],
        )
    )
    theirs.init_weights()
    ours = build(in_channels=in_channels, out_channels=[8, 16], strides=[2, 1], paddings=[1, 0], l2_norm_scale=20.0)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def test_outputs_equal_those_of_mmdetections_neck():
    theirs, ours = necks_with_the_same_weights([4, 6])
    inputs = (torch.rand(1, 4, 16, 16), torch.rand(1, 6, 8, 8))
    torch.testing.assert_close(ours(inputs), theirs(inputs))


def test_the_extra_levels_of_a_single_level_are_of_its_features_before_they_are_normalized():
    """A difference: as in the paper, where the normalization of conv4_3 is for the predictions from it alone."""
    theirs, ours = necks_with_the_same_weights([4])
    features = torch.rand(1, 4, 16, 16)
    normalized, *extra = ours((features,))
    assert torch.equal(extra[0], ours.extra_layers[0](features))
    torch.testing.assert_close(theirs((features,)), (normalized, *ours((normalized,))[1:]))


def test_the_lite_neck_is_separable_and_without_l2_normalization():
    neck = build(
        in_channels=[4, 8],
        out_channels=[16],
        strides=[1],
        paddings=[1],
        separable=True,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='ReLU6'),
    )
    assert neck.l2_norm is None
    assert isinstance(neck.extra_layers[0][-1], DepthwiseSeparableConvModule)
    feats = (torch.rand(1, 4, 8, 8), torch.rand(1, 8, 8, 8))
    outputs = neck(feats)
    assert torch.equal(outputs[0], feats[0]) and torch.equal(outputs[1], feats[1])
    assert outputs[2].shape == (1, 16, 8, 8)
