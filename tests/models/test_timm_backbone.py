"""Models of timm as backbones."""

import sys

import pytest
import torch
import torchvision
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

from ssd_plugin.configs import drop_pretrained
from ssd_plugin.errors import UserError
from tests.support import CONFIGS, config

timm = pytest.importorskip('timm', reason='timm is not installed')
save_file = pytest.importorskip('safetensors.torch', reason='safetensors is not installed').save_file


def build(name='resnet18', **options):
    return MODELS.build(dict(type='TimmBackbone', name=name, **options))


def loaded(checkpoint, name='resnet18', **options):
    backbone = build(name, checkpoint=str(checkpoint), **options)
    backbone.init_weights()
    return backbone


@pytest.fixture
def log(monkeypatch):
    """The lines that loading weights logs."""
    lines = []
    monkeypatch.setattr(
        'ssd_plugin.models.backbones.pretrained_weights.print_log', lambda text, logger: lines.append(text)
    )
    return lines


@pytest.mark.parametrize(
    'name, options, channels, strides',
    [
        ('resnet18', {}, (128, 256, 512), (8, 16, 32)),
        ('resnet18', dict(out_indices=(0, 4)), (64, 512), (2, 32)),
        ('resnet18', dict(output_stride=16), (128, 256, 512), (8, 16, 16)),
        ('mobilenetv3_large_100', {}, (40, 112, 960), (8, 16, 32)),
        ('tf_efficientnet_lite0', {}, (40, 112, 320), (8, 16, 32)),
        # Four levels, in names that timm flattens.
        ('convnext_atto', {}, (80, 160, 320), (8, 16, 32)),
        # Maps with the channels last.
        ('swin_tiny_patch4_window7_224', dict(options=dict(img_size=64)), (192, 384, 768), (8, 16, 32)),
        ('resnet18', dict(in_channels=1), (128, 256, 512), (8, 16, 32)),
    ],
)
def test_maps_have_the_channels_and_strides_of_feature_info(name, options, channels, strides):
    backbone = build(name, **options)
    assert backbone.out_channels == channels and backbone.strides == strides
    maps = backbone(torch.rand(2, options.get('in_channels', 3), 64, 64))
    assert [tuple(m.shape) for m in maps] == [(2, c, 64 // s, 64 // s) for c, s in zip(channels, strides)]
    sum(m.sum() for m in maps).backward()
    # Nothing behind the last level is left, which DistributedDataParallel would miss.
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_it_computes_what_timms_classifier_computes():
    whole = timm.create_model('tf_efficientnet_lite0').eval()
    backbone = build('tf_efficientnet_lite0').eval()
    backbone.network.load_state_dict(whole.state_dict(), strict=False)
    x = torch.rand(1, 3, 96, 96)
    last = backbone(x)[-1]
    torch.testing.assert_close(whole.bn2(whole.conv_head(last)), whole.forward_features(x))


@pytest.mark.parametrize(
    'name, stages, last, first',
    [
        ('resnet18', 1, 'bn1', 'layer1'),
        ('resnet18', 2, 'layer1', 'layer2'),
        ('tf_efficientnet_lite0', 2, 'blocks.1', 'blocks.2'),
        ('convnext_atto', 1, 'stages_0', 'stages_1'),
    ],
)
def test_first_levels_are_frozen_with_all_that_is_inside(name, stages, last, first):
    backbone = build(name, frozen_stages=stages).train()
    frozen = [name for name, parameter in backbone.network.named_parameters() if not parameter.requires_grad]
    trained = [name for name, parameter in backbone.network.named_parameters() if parameter.requires_grad]
    assert frozen[-1].startswith(last) and trained[0].startswith(first)
    assert frozen + trained == [name for name, _ in backbone.network.named_parameters()]
    before = {name: value.clone() for name, value in backbone.network.named_buffers()}
    backbone(torch.rand(2, 3, 64, 64))
    changed = [name for name, value in backbone.network.named_buffers() if not torch.equal(value, before[name])]
    assert not changed or changed[0].startswith(first)


def test_norm_eval_keeps_the_statistics():
    backbone = build(norm_eval=True).train()
    kinds = {module.training for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)}
    assert kinds == {False} and backbone.training


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(name='resnet19'), UserError, "has no model 'resnet19'; did you mean resnet"),
        (dict(out_indices=(2, 7)), UserError, 'Its levels are 0..4 with the strides 2, 4, 8, 16, 32'),
        (dict(out_indices=(3, 2)), ValueError, r'ascending order, got \(3, 2\)'),
        (dict(out_indices=()), ValueError, 'ascending order'),
        (dict(frozen_stages=6), ValueError, r'frozen_stages must be -1, 0 or in 1\.\.5, got 6'),
        (dict(options=dict(width=3)), UserError, "timm cannot make a backbone of 'resnet18' with .*width"),
    ],
)
def test_what_timm_does_not_have_is_named(options, error, message):
    with pytest.raises(error, match=message):
        build(**options)


def test_without_timm_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm', None)
    with pytest.raises(UserError, match='TimmBackbone need timm.*pip install timm, or choose a backbone of another'):
        build()


def test_weights_that_cannot_be_downloaded_name_the_ways_out(monkeypatch):
    def no_network(*args, pretrained=False, **kwargs):
        if pretrained:
            raise OSError('no network\nat all')
        return create(*args, **kwargs)

    create = timm.create_model
    monkeypatch.setattr(timm, 'create_model', no_network)
    backbone = build(pretrained=True)
    with pytest.raises(UserError, match='cannot be had: no network. A copy .*checkpoint=FILE; without weights'):
        backbone.init_weights()


def test_an_exported_state_dict_comes_back_bit_by_bit(tmp_path):
    exported = build()
    for module in exported.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.num_batches_tracked.fill_(7)
    wanted = exported.state_dict()
    torch.save(wanted, tmp_path / 'a.pth')
    save_file(wanted, tmp_path / 'a.safetensors')
    # As a detector's checkpoint has it.
    inside = {f'backbone.{name}': value for name, value in wanted.items()}
    torch.save(dict(meta={}, state_dict={**inside, 'neck.weight': torch.ones(1)}), tmp_path / 'detector.pth')
    for name in ('a.pth', 'a.safetensors', 'detector.pth'):
        found = loaded(tmp_path / name).state_dict()
        assert found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize(
    'arch, name, how',
    [
        ('resnet18', 'resnet18', 'by name'),
        ('mobilenet_v3_large', 'mobilenetv3_large_100', 'in order'),
        ('efficientnet_b0', 'efficientnet_b0', 'in order'),
    ],
)
def test_weights_of_torchvision_are_taken_without_the_classifier(arch, name, how, tmp_path, log):
    theirs = torchvision.models.get_model(arch).eval()
    torch.save(theirs.state_dict(), tmp_path / 'theirs.pth')
    options = dict(bn_eps=0.001) if 'v3' in arch else {}
    backbone = loaded(tmp_path / 'theirs.pth', name, options=options).eval()
    total = len(backbone.state_dict())
    assert log == [
        f'{name}: {total} of {total} tensors are taken from {tmp_path}/theirs.pth ({how}); '
        f'{len(theirs.state_dict()) - total} of the file are not used'
    ]
    x = torch.rand(1, 3, 96, 96)
    if arch == 'resnet18':
        wanted = nn.Sequential(*list(theirs.children())[:-2])(x)
    else:
        # timm has the last convolution of EfficientNet in its classifier.
        wanted = (theirs.features if 'v3' in arch else theirs.features[:-1])(x)
    torch.testing.assert_close(backbone(x)[-1], wanted, rtol=1e-4, atol=1e-5)


def test_weights_of_timms_classifier_are_taken_also_where_its_feature_model_flattens_names(tmp_path):
    whole = timm.create_model('convnext_atto')
    torch.save(dict(state_dict=whole.state_dict(), epoch=3), tmp_path / 'whole.pth')
    found = loaded(tmp_path / 'whole.pth', 'convnext_atto').state_dict()
    assert torch.equal(
        found['network.stages_2.blocks.1.mlp.fc1.weight'], whole.state_dict()['stages.2.blocks.1.mlp.fc1.weight']
    )


def test_the_first_convolution_may_differ_and_is_named(tmp_path, log):
    torch.save(build().network.state_dict(), tmp_path / 'color.pth')
    loaded(tmp_path / 'color.pth', in_channels=1)
    assert '119 of 120 tensors are taken' in log[0] and 'these start at random: conv1.weight' in log[0]


class Code:
    """What a file must not run."""

    def __reduce__(self):
        return print, ('code was run',)


@pytest.mark.parametrize(
    'content, message',
    [
        (nn.Linear(2, 2).state_dict(), r'has weights of another network: 0 of 100 tensors of resnet18 fit, not conv1'),
        (dict(epoch=3), 'holds no weights'),
        (Code(), 'cannot be read|is no file of weights'),
    ],
)
def test_files_with_other_contents_are_refused(content, message, tmp_path, capsys):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(UserError, match=message):
        loaded(tmp_path / 'a.pth')
    assert 'code was run' not in capsys.readouterr().out


@pytest.mark.parametrize('name', ['none.pth', 'text.pth', 'text.safetensors'])
def test_files_that_cannot_be_read_are_one_line(name, tmp_path):
    if name.startswith('text'):
        (tmp_path / name).write_text('no weights')
    with pytest.raises(UserError, match=name) as raised:
        loaded(tmp_path / name)
    assert '\n' not in str(raised.value)


def test_weights_of_a_wider_network_are_refused(tmp_path):
    torch.save(timm.create_model('resnet50').state_dict(), tmp_path / 'wide.pth')
    with pytest.raises(UserError, match='another network: 97 of 120 tensors of resnet18 fit'):
        loaded(tmp_path / 'wide.pth')


@pytest.mark.parametrize('theirs', [False, True])
def test_a_detector_trains_on_another_backbone_by_one_line(theirs, tmp_path):
    # The lines at the head of the config.
    change = "_delete_=True, type='ResNet', depth=18, out_indices=(1, 2, 3)" if theirs else "name='resnet10t'"
    assert not theirs or change in (CONFIGS / 'ssd320_resnet18_voc.py').read_text()
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'ssd_plugin::ssd320_resnet18_voc.py'\nmodel = dict(backbone=dict({change}))\n")
    detector = MODELS.build(Config.fromfile(path).model)
    assert type(detector.backbone).__name__ == ('ResNet' if theirs else 'TimmBackbone')
    assert detector.bbox_head.in_channels == (128, 256, 512, 512, 256, 256)
    logits, offsets = detector(torch.rand(2, 3, 320, 320), mode='tensor')
    assert [m.shape[-1] for m in logits] == [40, 20, 10, 5, 3, 2]
    sum(m.sum() for m in (*logits, *offsets)).backward()
    assert all(p.grad is not None for p in detector.parameters() if p.requires_grad)


def test_resumed_runs_and_tests_need_no_weights():
    model = config('ssd320_resnet18_voc.py').model
    model.backbone.checkpoint = '/nowhere.pth'
    drop_pretrained(model)
    MODELS.build(model).init_weights()
