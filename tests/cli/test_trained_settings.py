"""A checkpoint is compared with the model that loads it, and with what it was trained with."""

import copy
from pathlib import Path

import pytest
import torch
import torchvision

from ssd_plugin.apis import load
from ssd_plugin.cli.trained_settings import check_for_inference, notes_for_training, settings_of_text
from ssd_plugin.errors import UserError
from ssd_plugin.interop import convert_checkpoint
from tests.support import config

NAME = 'demo/ssd_depthwise_shapes.py'
CONFIG = f'ssd_plugin::{NAME}'
PRIORS = 'model.bbox_head.prior_generator'


@pytest.fixture(scope='module')
def trained(shapes_checkpoint, tmp_path_factory) -> Path:
    """A checkpoint with the config that it was trained with, as MMEngine saves it."""
    content = torch.load(shapes_checkpoint, weights_only=True)
    content['meta']['cfg'] = config(NAME).pretty_text
    path = tmp_path_factory.mktemp('trained') / 'iter_9.pth'
    torch.save(content, path)
    return path


def changed(options):
    cfg = config(NAME)
    cfg.merge_from_dict(options)
    return cfg


def test_the_config_that_a_checkpoint_was_trained_with_passes(trained, shapes_checkpoint):
    check_for_inference(config(NAME), str(trained), ('test',))
    assert notes_for_training(config(NAME), str(trained)) == []
    # Without a config in it there is nothing to compare.
    check_for_inference(
        changed({f'{PRIORS}.sizes': [(9, 32), (45, 64), (84, 110), (130, 160)]}), str(shapes_checkpoint)
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (
            {f'{PRIORS}.sizes': [(9, 32), (45, 64), (84, 110), (130, 160)]},
            rf'{PRIORS}.sizes was \[\[20, 32\].* is \[\[9',
        ),
        ({'model.bbox_head.bbox_coder.center_variance': 0.2}, 'bbox_coder.center_variance was 0.1, is 0.2'),
        ({'model.bbox_head.background': 'first'}, 'model.bbox_head.background was None, is first'),
        ({'model.data_preprocessor.mean': [0, 0, 0]}, r'data_preprocessor.mean was \[127.0, 127.0, 127.0\], is \[0, 0'),
        ({'model.data_preprocessor.std': [1, 1, 1]}, 'data_preprocessor.std was '),
        (
            {'test_dataloader.dataset.metainfo.classes': ('circle', 'triangle', 'square', 'star')},
            'the classes of test_dataloader.dataset: triangle was square, square was triangle',
        ),
    ],
)
def test_a_checkpoint_that_would_be_decoded_differently_is_refused_with_the_keys(options, message, trained):
    with pytest.raises(UserError, match=f'was trained with other settings: .*{message}.*--ignore-mismatch'):
        check_for_inference(changed(options), str(trained), ('test',))
    # A training adapts to them.
    notes = notes_for_training(changed(options), str(trained))
    assert len(notes) == ('test_dataloader.dataset.metainfo.classes' not in options)


def test_another_way_to_write_the_same_settings_is_no_difference(trained):
    flipped = {f'{PRIORS}.flip': True, f'{PRIORS}.sizes': [[20.0, 32], [45, 64.0], [84, 110], [130, 160]]}
    check_for_inference(changed({**flipped, 'model.bbox_head.use_sigmoid': False}), str(trained))
    # Those of a config for more classes, from which it has been inherited.
    check_for_inference(changed({'model.bbox_head.unused_outputs': (12, 26)}), str(trained))


def test_a_checkpoint_with_another_number_of_classes_is_refused_for_inference(trained):
    cfg = changed({'model.bbox_head.num_classes': 7})
    with pytest.raises(
        UserError, match=r'lacks 8 tensor.s. of the model, which would be random: bbox_head.cls_convs.0'
    ):
        check_for_inference(cfg, str(trained))
    # ClassTransferHook says what begins anew.
    assert notes_for_training(cfg, str(trained)) == []


def test_no_other_weights_are_fetched_for_a_backbone_that_a_checkpoint_fills(trained, tmp_path):
    pretrained = dict(type='Pretrained', checkpoint='http://nowhere/a.pth')
    cfg = changed({'model.backbone.init_cfg': pretrained})
    assert notes_for_training(cfg, str(trained)) == [] and cfg.model.backbone.init_cfg is None
    content = torch.load(trained, weights_only=True)
    del content['state_dict']['backbone.features.0.conv.weight']
    torch.save(content, tmp_path / 'part.pth')
    cfg = changed({'model.backbone.init_cfg': pretrained})
    assert notes_for_training(cfg, str(tmp_path / 'part.pth')) == [] and cfg.model.backbone.init_cfg == pretrained


def test_weights_of_another_implementation_are_refused_with_the_tool_that_converts(tmp_path):
    path = tmp_path / 'raw.pth'
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)
    for check in (check_for_inference, notes_for_training):
        with pytest.raises(UserError, match='no checkpoint of this model: it has .% of its .*convert_checkpoint.py'):
            check(config(NAME), str(path))


def test_the_weights_of_a_wrapped_model_are_recognized(trained, tmp_path):
    content = torch.load(trained, weights_only=True)
    content['state_dict'] = {f'module.{name}': value for name, value in content['state_dict'].items()}
    torch.save(content, tmp_path / 'wrapped.pth')
    check_for_inference(config(NAME), str(tmp_path / 'wrapped.pth'))


def test_loading_refuses_unless_asked_for(trained):
    cfg = changed({f'{PRIORS}.sizes': [(9, 32), (45, 64), (84, 110), (130, 160)]})
    with pytest.raises(UserError, match='other settings'):
        load(copy.deepcopy(cfg), trained, 'cpu')
    assert load(cfg, trained, 'cpu', ignore_mismatch=True).bbox_head.prior_generator.shapes[0][0].tolist() == [9, 9]


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', 'cuda' if not torch.cuda.is_available() else 'cuda:99'])
def test_a_device_that_is_not_there_is_named(device, trained):
    with pytest.raises(UserError, match=f"device '{device}' cannot be used: .*There is .*cpu"):
        load(CONFIG, trained, device)


def test_evaluation_refuses_a_checkpoint_with_other_priors(trained, shapes, run_tool, tmp_path):
    options = ('--cfg-options', f'data_root={shapes}', f'{PRIORS}.sizes=[[9,32],[45,64],[84,110],[130,160]]')
    arguments = ('test.py', CONFIG, trained, '--work-dir', tmp_path / 'test')
    result = run_tool(*arguments, *options)
    assert result.returncode == 1 and 'Traceback' not in result.stderr
    assert f'{PRIORS}.sizes was [[20, 32]' in result.stderr.splitlines()[-1] and not (tmp_path / 'test').exists()
    result = run_tool(*arguments, '--ignore-mismatch', *options)
    assert result.returncode == 0 and 'pascal_voc/AP50' in result.stdout


def test_the_text_of_a_config_is_read_without_running_it(tmp_path):
    text = f"a = dict(b=[1, (2.5, None)], c={{'d e': -1}})\nf = open('{tmp_path}/made', 'w')\ng = 'h'\n"
    assert settings_of_text(text) == dict(a=dict(b=[1, [2.5, None]], c={'d e': -1}), g='h')
    assert settings_of_text('not a = config') == settings_of_text(None) == {} and not list(tmp_path.iterdir())


def test_converting_a_checkpoint_of_this_package_says_that_it_needs_none(trained, tmp_path):
    with pytest.raises(UserError, match='is a checkpoint of this package: it needs no conversion'):
        convert_checkpoint(trained, tmp_path / 'out.pth')
