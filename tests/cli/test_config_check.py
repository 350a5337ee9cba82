"""Mistakes in a config are one line with the key and the remedy, before anything is built or written."""

import argparse
import json

import pytest
from mmengine.config import Config

from ssd_plugin.cli.arguments import add_run_arguments
from ssd_plugin.cli.config_check import check_classes, check_config, check_shape
from ssd_plugin.cli.config_keys import check_sections, check_variables
from ssd_plugin.cli.run_config import load_config
from ssd_plugin.errors import UserError
from tests.support import CONFIGS, WHOLE_CONFIGS, config

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
HEAD = 'model.bbox_head'
PRIORS = f'{HEAD}.prior_generator'
AUGMENT = 'train_dataloader.dataset.augment'


@pytest.fixture
def load(monkeypatch, shapes, tmp_path):
    """Load the config of a run on the drawn data as the tools do."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.chdir(tmp_path)

    def loaded(*options, path=CONFIG, arguments=()):
        parser = argparse.ArgumentParser()
        parser.add_argument('config')
        add_run_arguments(parser)
        settings = ['--cfg-options', f'data_root={shapes}', *options]
        return load_config(parser.parse_args([str(path), *arguments, *settings]), ('train', 'val'))

    return loaded


def test_a_config_without_a_mistake_passes_and_leaves_nothing_behind(load, tmp_path):
    assert load().model.bbox_head.num_classes == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'option, message',
    [
        ('max_iters=50', 'max_iters would have no effect: .* did you mean train_cfg.max_iters?'),
        ('modl.bbox_head.num_classes=9', "there is no key 'modl'; did you mean model?"),
        ('lr=0.1', 'did you mean optim_wrapper.optimizer.lr?'),
        ('train_pipeline=3', 'from this variable already; did you mean train_dataloader.dataset.pipeline?'),
        ('param_scheduler.7.begin=3', '--cfg-options param_scheduler.7.begin: Index 7 exceeds'),
        ('train_cfg.max_iter=5', r"train_cfg has no key 'max_iter' \(StreamTrainLoop\); did you mean max_iters?"),
        ('train_cfg.max_iters=0', 'train_cfg.max_iters must be 1 or more, got 0'),
        ('train_cfg.max_iters=x', r"train_cfg.max_iters must be int \| None \(StreamTrainLoop\), got 'x'"),
        (f'{HEAD}.num_classes=9', f'{HEAD}.num_classes is 9, but train_dataloader.dataset has 4 class'),
        (f'{HEAD}.num_clases=9', f"{HEAD} has no key 'num_clases' .*did you mean num_classes?"),
        (f'{HEAD}.type=MultiBoxHed', f"{HEAD}.type='MultiBoxHed' is not registered; did you mean MultiBoxHead?"),
        (f'{HEAD}.matcher.type=SSDMacher', f"{HEAD}.matcher.type='SSDMacher' .*did you mean SSDMatcher?"),
        (f'{HEAD}.in_channels=[64,128,256]', 'levels do not agree: in_channels has 3, prior_generator 4'),
        (
            f'{HEAD}.in_channels=[64,128,256,255]',
            r'levels do not agree: model.neck gives channels \(64, 128, 256, 256\)',
        ),
        (f'{PRIORS}.strides=[8,16,32]', f'{PRIORS}: aspect_ratios has 4 level'),
        (f'{PRIORS}.input_size=[300,300]', r'the scale of the pipeline of train_dataloader.dataset is \(320, 240\): '),
        (
            'model.neck.in_channels=[64,128,255]',
            r'model.backbone gives channels \(64, 128, 256\), model.neck.in_channels is \(64, 128, 255\)',
        ),
        ('model.backbone=3', 'model.backbone must be .*got 3'),
        ('model.test_cfg.score_threshold=0.3', "model.test_cfg has no key 'score_threshold'; did you mean score_thr?"),
        ('train_dataloader.batch_size=0', 'train_dataloader.batch_size must be 1 or more, got 0'),
        ('train_dataloader.batchsize=4', "train_dataloader has no key 'batchsize' .*did you mean batch_size?"),
        ('train_dataloader.num_workers=-1', 'train_dataloader: num_workers option should be non-negative'),
        ('train_dataloader.sampler.type=Stream', "train_dataloader.sampler.type='Stream' is not registered"),
        (f'{AUGMENT}.zoom_out_prob=7', f'{AUGMENT}: zoom_out_prob must be a number from 0 to 1, got 7'),
        (f'{AUGMENT}.zoom_out_ratio=[0.5,4]', f'{AUGMENT}: zoom_out_ratio must be two increasing numbers of 1 or'),
        (f'{AUGMENT}.crop_tries=0', f'{AUGMENT}: crop_tries must be a whole number of 1 or more, got 0'),
        (f'{AUGMENT}.constraints=[3]', f'{AUGMENT}: constraints must be a number from 0 to 1, got 3'),
        (f'{AUGMENT}.flip_prob=-1', f'{AUGMENT}: flip_prob must be a number from 0 to 1, got -1'),
        (f'{AUGMENT}.fill=[1,2,300]', f'{AUGMENT}: fill must be a number from 0 to 255, got 300'),
        (f'{HEAD}.matcher.iou_threshold=5', f'{HEAD}.matcher: iou_threshold must be a number from 0 to 1, got 5'),
        (f'{HEAD}.loss_multibox.neg_pos_ratio=-3', f'{HEAD}.loss_multibox: neg_pos_ratio must be a number of 0 or'),
        (f'{HEAD}.loss_multibox.beta=-1', f'{HEAD}.loss_multibox: beta must be a number of 0 or more, got -1'),
        (f'{HEAD}.bbox_coder.center_variance=0', f'{HEAD}.bbox_coder: center_variance must be a number above 0, got 0'),
        ('model.test_cfg.score_thr=30', 'score_thr must be a number from 0 to 1, got 30'),
        ('model.test_cfg.nms.iou_threshold=45', 'iou_threshold must be a number from 0 to 1, got 45'),
        ('model.backbone.base_channels=0', 'model.backbone: base_channels must be a whole number of 1 or more, got 0'),
        ('custom_hooks.2.interval=0', 'custom_hooks.2: interval must be a whole number of 1 or more, got 0'),
        ('train_dataloader.dataset.max_broken=5', 'dataset: max_broken must be a number from 0 to 1, got 5'),
        (f'{AUGMENT}.zoom_out_probability=1', f'{AUGMENT} has no key .*did you mean zoom_out_prob?'),
        ('train_dataloader.dataset.metainfo.classes=cat', r"a tuple of one name needs a comma: \('cat',\)"),
        ('train_dataloader.dataset.metainfo.clases=cat', "metainfo has no key 'clases'; did you mean classes?"),
        ('optim_wrapper.optimizer.lr=-1', 'optim_wrapper: Invalid learning rate: -1'),
        ('optim_wrapper.optimizer.lr=fast', "optim_wrapper.optimizer.lr must be float .*got 'fast'"),
        (
            'optim_wrapper.optimizer.momentum=0.9',
            "optim_wrapper.optimizer has no key 'momentum' .AdamW.; known: amsgrad",
        ),
        ('optim_wrapper.paramwise_cfg.norm_decay=0', 'paramwise_cfg has no key .*did you mean norm_decay_mult?'),
        ('optim_wrapper.clip_grad.maximum=3', "optim_wrapper.clip_grad has no key 'maximum'"),
        ('param_scheduler.0.type=LinearRate', "param_scheduler.0.type='LinearRate' is not registered"),
        ('default_hooks.checkpoint.interval=often', "default_hooks.checkpoint.interval must be int .*got 'often'"),
        ('custom_hooks.2.intervall=1', "custom_hooks.2 has no key 'intervall' .*did you mean interval?"),
        ('val_evaluator.metric=AP', "val_evaluator: metric should be one of 'recall', 'mAP'"),
        ('env_cfg.mp_cfg.mp_start_method=frok', "mp_start_method must be Literal.'fork', .*got 'frok'"),
        ('load_from=3', r'load_from must be Optional\[str\].*, got 3|load_from must be str . None, got 3'),
        ('train_dataloader.collate_fn=stack', "collate_fn must be a dict with a type, got 'stack'"),
        ('train_dataloader.dataset.data_prefix=images', "train_dataloader.dataset.data_prefix must be .*got 'images'"),
        ('log_level=LOUD', "log_level must be one of .*got 'LOUD'"),
    ],
)
def test_a_mistake_in_an_option_is_named_with_its_key_and_the_nearest_name(option, message, load, tmp_path):
    with pytest.raises(UserError, match=message) as raised:
        load(option)
    assert '\n' not in str(raised.value) and list(tmp_path.iterdir()) == []


def test_new_keys_are_accepted_if_asked_for(load):
    assert load('mine.deep=3', arguments=['--new-keys']).mine.deep == 3


@pytest.mark.parametrize('text', ['lr', '=3', 'a..b=3'])
def test_an_option_that_is_no_assignment_is_a_usage_error(text, load, capsys):
    with pytest.raises(SystemExit):
        load(text)
    assert f"argument --cfg-options: '{text}' is not KEY=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    'text, message',
    [
        ('modl = dict(bbox_head=dict(num_classes=4))', 'nothing reads modl; did you mean model?'),
        (
            'max_iters = 50',
            'max_iters=50 has no effect, since train_cfg.max_iters is 1000. .*cfg-options train_cfg.max',
        ),
        ("data_root = 'mine/'", r"data_root='mine/' has no effect: .* --cfg-options data_root=mine/"),
    ],
)
def test_a_variable_that_is_meant_as_a_key_is_an_error(text, message, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = 'ssd_plugin::demo/ssd_depthwise_shapes.py'\n{text}\n")
    with pytest.raises(UserError, match=message):
        check_variables(Config.fromfile(path), str(path))


def test_a_variable_that_is_used_is_none(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'ssd_plugin::demo/ssd_depthwise_shapes.py'\nmax_iters = 50\ntrain_cfg = dict(max_iters=max_iters)\n"
        "base_lr = 0.1\nclasses = dict(classes=('cat', 'dog'))\n"
        'train_dataloader = dict(dataset=dict(metainfo=classes))\n'
    )
    check_variables(Config.fromfile(path), str(path))


@pytest.mark.parametrize('name', WHOLE_CONFIGS)
def test_the_configs_of_the_package_pass(name):
    cfg = config(name)
    check_shape(cfg, ('train', 'val', 'test'))
    check_sections(cfg, thorough=True)
    check_variables(cfg, str(CONFIGS / name))


def test_a_class_that_no_category_has_is_named(shapes):
    cfg = config('demo/ssd_depthwise_shapes.py')
    dataset = cfg.test_dataloader.dataset
    dataset.data_root = str(shapes)
    check_classes(cfg, ('test',))
    dataset.metainfo = dict(classes=('circle', 'square', 'triangel', 'star'))
    with pytest.raises(UserError, match="classes names 'triangel', which is no category of its .*mean triangle?"):
        check_classes(cfg, ('test',))
    # A file without categories is left to its dataset.
    (shapes.parent / 'empty.json').write_text(json.dumps(dict(images=[])))
    dataset.ann_file = '../empty.json'
    check_classes(cfg, ('test',))


def test_a_part_that_others_inherit_is_no_config_of_a_run():
    cfg = Config.fromfile(CONFIGS / '_base_/models/ssd_depthwise.py')
    with pytest.raises(UserError, match='has no train_dataloader, which this run needs. It may be a part'):
        check_shape(cfg, ('train',))


def test_checking_changes_neither_the_config_nor_the_random_numbers(shapes):
    import torch

    cfg = config('demo/ssd_depthwise_shapes.py')
    before, state = cfg.pretty_text, torch.get_rng_state()
    check_config(cfg, ('train', 'val'))
    assert cfg.pretty_text == before and torch.equal(torch.get_rng_state(), state)
