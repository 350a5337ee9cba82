import pytest
import torch
import torchvision
from mmdet.registry import MODELS
from torch import nn

from ssd_plugin.models.backbones.ssd_vgg16 import decimate_vgg16


@pytest.mark.parametrize('width', [8, 16, 32])
def test_depthwise_backbone_has_the_layers_of_the_design(width):
    backbone = MODELS.build(dict(type='DepthwiseBackbone', base_channels=width, out_indices=tuple(range(1, 14))))
    outputs = backbone.eval()(torch.rand(1, 3, 240, 320))
    assert [out.shape[1] // width for out in outputs] == [1, 2, 2, 2, 4, 4, 4, 4, 8, 8, 8, 16, 16]
    strides = [2, 1, 2, 1, 2, 1, 1, 1, 2, 1, 1, 2, 1]
    size = 320
    for out, stride in zip(outputs, strides):
        size = -(-size // stride)
        assert out.shape[-1] == size


def test_depthwise_backbone_gives_strides_8_16_32():
    outputs = MODELS.build(dict(type='DepthwiseBackbone'))(torch.rand(2, 3, 240, 320))
    assert [tuple(out.shape) for out in outputs] == [(2, 64, 30, 40), (2, 128, 15, 20), (2, 256, 8, 10)]


def test_frozen_layers_do_not_train_and_norm_eval_keeps_statistics():
    backbone = MODELS.build(dict(type='DepthwiseBackbone', frozen_stages=3)).train()
    assert not any(p.requires_grad for p in backbone.features[:3].parameters())
    assert all(p.requires_grad for p in backbone.features[3:].parameters())
    assert not backbone.features[2].training and backbone.features[3].training
    backbone = MODELS.build(dict(type='DepthwiseBackbone', norm_eval=True)).train()
    before = {name: value.clone() for name, value in backbone.named_buffers()}
    backbone(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(value, before[name]) for name, value in backbone.named_buffers())


def test_norm_and_activation_are_configurable():
    backbone = MODELS.build(
        dict(type='DepthwiseBackbone', norm_cfg=dict(type='GN', num_groups=4), act_cfg=dict(type='ReLU6'))
    )
    kinds = [type(module) for module in backbone.modules()]
    assert kinds.count(nn.GroupNorm) == 25 and kinds.count(nn.ReLU6) == 25 and nn.BatchNorm2d not in kinds


@pytest.mark.parametrize('options', [dict(out_indices=(0,)), dict(out_indices=(14,)), dict(frozen_stages=14)])
def test_layers_that_do_not_exist_are_refused(options):
    with pytest.raises(ValueError, match='1..13'):
        MODELS.build(dict(type='DepthwiseBackbone', **options))


@pytest.mark.parametrize(
    'options, layers',
    [
        (dict(type='DepthwiseBackbone'), 13),
        (dict(type='TorchvisionMobileNet', arch='mobilenet_v2', out_indices=(14, 18)), 19),
        (dict(type='SSDVGG16'), 5),
    ],
)
def test_a_number_of_frozen_layers_that_is_none_is_refused(options, layers):
    for number in (-2, layers + 1):
        with pytest.raises(ValueError, match=rf'frozen_stages must be -1, 0 or in 1\.\.{layers}, got {number}'):
            MODELS.build(dict(options, frozen_stages=number))
    for number in (-1, 0, layers):
        MODELS.build(dict(options, frozen_stages=number)).train()


@pytest.fixture(scope='module')
def vgg16_state():
    """Return the parameters of torchvision's VGG-16; the large ones count up, which shows which rows are kept."""
    state, channels, index = {}, 3, 0
    for width in (64, 64, 'M', 128, 128, 'M', 256, 256, 256, 'M', 512, 512, 512, 'M', 512, 512, 512, 'M'):
        if width == 'M':
            index += 1
            continue
        state[f'features.{index}.weight'], state[f'features.{index}.bias'] = (
            torch.randn(width, channels, 3, 3),
            torch.randn(width),
        )
        channels, index = width, index + 2
    state['classifier.0.weight'] = torch.arange(4096.0)[:, None] + torch.arange(25088.0) / 25088
    state['classifier.0.bias'] = torch.arange(4096.0)
    state['classifier.3.weight'] = torch.arange(4096.0)[:, None] + torch.arange(4096.0) / 4096
    state['classifier.3.bias'] = torch.arange(4096.0)
    state['classifier.6.weight'], state['classifier.6.bias'] = torch.zeros(1000, 4096), torch.zeros(1000)
    return state


def test_decimation_keeps_every_fourth_channel_and_every_third_row_and_column(vgg16_state):
    state = decimate_vgg16(vgg16_state)
    conv6, conv7 = state['features.31.weight'], state['features.33.weight']
    assert conv6.shape == (1024, 512, 3, 3) and conv7.shape == (1024, 1024, 1, 1)
    # Output 5 is row 20 of fc6; its input (channel 7, row 2, column 1) is column 7 * 49 + (3 * 2) * 7 + 3 * 1.
    torch.testing.assert_close(conv6[5, 7, 2, 1], vgg16_state['classifier.0.weight'][20, 7 * 49 + 42 + 3])
    torch.testing.assert_close(conv7[3, 2, 0, 0], vgg16_state['classifier.3.weight'][12, 8])
    torch.testing.assert_close(state['features.31.bias'], torch.arange(0.0, 4096.0, 4))


def test_vgg16_starts_from_a_local_file(vgg16_state, tmp_path):
    path = tmp_path / 'vgg16.pth'
    torch.save(vgg16_state, path)
    backbone = MODELS.build(dict(type='SSDVGG16', init_cfg=dict(type='DecimatedVGG16Init', checkpoint=str(path))))
    backbone.init_weights()
    assert torch.equal(backbone.features[0].weight, vgg16_state['features.0.weight'])
    assert torch.equal(backbone.features[33].bias, vgg16_state['classifier.3.bias'][::4])
    conv4_3, conv7 = backbone(torch.rand(1, 3, 300, 300))
    assert conv4_3.shape == (1, 512, 38, 38) and conv7.shape == (1, 1024, 19, 19)


def test_weights_of_another_network_are_refused(vgg16_state):
    with pytest.raises(ValueError, match='features.28.weight'):
        decimate_vgg16({name: value for name, value in vgg16_state.items() if not name.startswith('features.28')})


def test_missing_weights_name_the_key_to_set():
    backbone = MODELS.build(
        dict(type='SSDVGG16', init_cfg=dict(type='DecimatedVGG16Init', checkpoint='/nowhere/vgg16.pth'))
    )
    with pytest.raises(FileNotFoundError, match='init_cfg.checkpoint'):
        backbone.init_weights()


def test_mobilenet_v1_has_the_layers_of_the_paper():
    backbone = MODELS.build(dict(type='MobileNetV1', out_indices=range(1, 15))).eval()
    shapes = [(out.shape[1], 300 // out.shape[-1]) for out in backbone(torch.rand(1, 3, 300, 300))]
    assert [channels for channels, _ in shapes] == [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    assert shapes[11] == (512, 300 // 19) and shapes[13] == (1024, 300 // 10)
    # The paper's 4.2 million (table 8) without the classifier's 1,025,000.
    assert sum(p.numel() for p in backbone.parameters()) == 3206976


@pytest.mark.parametrize(
    'arch, cut, reduced',
    [('mobilenet_v2', 14, False), ('mobilenet_v3_large', 13, True), ('mobilenet_v3_small', 9, False)],
)
def test_mobilenet_taps_the_expansion_and_computes_what_torchvisions_does(arch, cut, reduced):
    options = dict(reduced_tail=True) if reduced else {}
    theirs = getattr(torchvision.models, arch)(**options).eval()
    last = len(theirs.features) - 1
    config = dict(type='TorchvisionMobileNet', arch=arch, out_indices=(cut, last), **options)
    if 'v3' in arch:
        config['norm_cfg'] = dict(type='BN', eps=0.001, momentum=0.01)
    ours = MODELS.build(config).eval()
    ours.load_state_dict({name: value for name, value in theirs.state_dict().items() if name.startswith('features')})
    x = torch.rand(2, 3, 96, 96)
    expansion, output = ours(x)
    torch.testing.assert_close(output, theirs.features(x))
    block = theirs.features[cut]
    before = theirs.features[:cut](x)
    torch.testing.assert_close(expansion, (block.conv if 'v2' in arch else block.block)[0](before))
    assert expansion.shape[-1] == 6 and output.shape[-1] == 3


def test_mobilenet_taps_blocks_with_a_shortcut_and_outputs():
    x = torch.rand(1, 3, 64, 64)
    whole = MODELS.build(
        dict(type='TorchvisionMobileNet', arch='mobilenet_v2', out_indices=range(19), tap='output')
    ).eval()
    tapped = MODELS.build(dict(type='TorchvisionMobileNet', arch='mobilenet_v2', out_indices=range(19))).eval()
    tapped.load_state_dict(whole.state_dict())
    outputs, expansions = whole(x), tapped(x)
    torch.testing.assert_close(expansions[18], outputs[18])
    torch.testing.assert_close(expansions[3], whole.features[3].conv[0](outputs[2]))


def test_mobilenet_freezes_layers():
    backbone = MODELS.build(
        dict(type='TorchvisionMobileNet', arch='mobilenet_v2', out_indices=(14, 18), frozen_stages=2)
    ).train()
    assert not backbone.features[1].training and backbone.features[2].training
    assert not any(p.requires_grad for p in backbone.features[:2].parameters())


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(arch='mobilenet_v9'), 'mobilenet_v9'),
        (dict(tap='middle'), 'middle'),
        (dict(out_indices=(19,)), r'0\.\.18'),
        (dict(reduced_tail=True), 'MobileNetV3'),
    ],
)
def test_mobilenet_options_that_do_not_exist_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build({**dict(type='TorchvisionMobileNet', arch='mobilenet_v2', out_indices=(14, 18)), **options})
