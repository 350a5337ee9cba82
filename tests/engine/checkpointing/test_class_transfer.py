"""A training starts from a detector with other classes."""

import re

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from ssd_plugin.engine.checkpointing.class_transfer import matching_outputs, transfer
from ssd_plugin.ops.output_layout import OutputLayout
from tests.support import config

NAME = 'demo/ssd_depthwise_shapes.py'


class Model(nn.Module):
    """One level of two priors, whose parameters are numbered: 100 * prior + output."""

    def __init__(self, layout, priors=2, start=0):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1)
        self.bbox_head = nn.Module()
        self.bbox_head.layout = layout
        self.bbox_head.prior_generator = type('Priors', (), dict(num_base_priors=[priors]))
        outputs = layout.num_outputs
        self.bbox_head.cls_convs = nn.ModuleList([nn.Sequential(nn.Conv2d(4, priors * outputs, 1))])
        self.bbox_head.reg_convs = nn.ModuleList([nn.Sequential(nn.Conv2d(4, priors * 4, 1))])
        numbers = start + 100 * torch.arange(float(priors))[:, None] + torch.arange(float(outputs))
        last = self.bbox_head.cls_convs[0][0]
        last.bias.data = numbers.flatten()
        last.weight.data = numbers.flatten()[:, None, None, None].expand(-1, 4, 1, 1).clone()

    def bias(self, state):
        return state['bbox_head.cls_convs.0.0.bias'].tolist()


def meta(*classes):
    return dict(dataset_meta=dict(classes=classes))


def started(model, source, *args):
    """The result, after checking that it fits the model."""
    result = transfer(model, source.state_dict(), *args)
    model.load_state_dict(result.state, strict=True)
    weight = result.state['bbox_head.cls_convs.0.0.weight']
    assert torch.equal(weight[:, 3, 0, 0], result.state['bbox_head.cls_convs.0.0.bias'])
    return result


def test_rows_of_classes_are_taken_over_by_name_with_the_background():
    source, model = Model(OutputLayout(3), start=1000), Model(OutputLayout(2))
    result = started(model, source, meta('a', 'b', 'c'), ('c', 'new'))
    # c is output 2 of the source, its background output 3; the class "new" keeps 1 and 101.
    assert model.bias(result.state) == [1002, 1, 1003, 1102, 101, 1103]
    assert torch.equal(result.state['backbone.weight'], source.state_dict()['backbone.weight'])
    assert torch.equal(
        result.state['bbox_head.reg_convs.0.0.weight'], source.state_dict()['bbox_head.reg_convs.0.0.weight']
    )
    assert result.lines == [
        'all 6 tensors fit',
        'classes that are taken over by name: c; so is the background',
        'classes that begin anew: new; classes of the file that are not used: a, b',
    ]


def test_the_same_classes_in_another_order_are_permuted():
    source, model = Model(OutputLayout(2), start=1000), Model(OutputLayout(2))
    assert model.bias(started(model, source, meta('a', 'b'), ('b', 'a')).state) == [1001, 1000, 1002, 1101, 1100, 1102]


def test_the_same_classes_are_taken_over_bit_by_bit():
    source, model = Model(OutputLayout(2), start=1000), Model(OutputLayout(2))
    result = started(model, source, meta('a', 'b'), ('a', 'b'))
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in result.state.items())
    assert result.lines[2] == 'classes that begin anew: none'


def test_outputs_mean_what_the_config_in_the_checkpoint_says():
    # Background first, and output 2 belongs to no class: a, b are outputs 1 and 3.
    layout = OutputLayout(2, 'first', (2,))
    source, model = Model(layout, start=1000), Model(OutputLayout(2))
    text = "model = dict(bbox_head=dict(num_classes=2, background='first', unused_outputs=(2,)))"
    result = started(model, source, dict(meta('a', 'b'), cfg=text), ('a', 'b'))
    assert model.bias(result.state) == [1001, 1003, 1000, 1101, 1103, 1100]


def test_without_names_outputs_are_taken_over_if_they_are_as_many():
    source = Model(OutputLayout(2), start=1000)
    model = Model(OutputLayout(2))
    assert model.bias(started(model, source, {}, ('a', 'b')).state) == [1000, 1001, 1002, 1100, 1101, 1102]
    model = Model(OutputLayout(3))
    result = started(model, source, {}, ('a', 'b', 'c'))
    assert model.bias(result.state) == [0, 1, 2, 1002, 100, 101, 102, 1102]
    assert result.lines[1:] == [
        'classes that are taken over: none; so is the background',
        'classes that begin anew: a, b, c',
    ]


def test_sigmoid_and_softmax_outputs_are_not_exchanged():
    source, model = Model(OutputLayout(2), start=1000), Model(OutputLayout(3, None))
    text = 'model = dict(bbox_head=dict(num_classes=2))'
    result = started(model, source, dict(meta('a', 'b'), cfg=text), ('a', 'b', 'c'))
    assert model.bias(result.state) == [0, 1, 2, 100, 101, 102]
    assert 'classes that begin anew: a, b, c' in result.lines[2]


def test_a_level_with_other_priors_begins_anew_even_where_the_shapes_agree():
    # 3 priors of 2 outputs, and 2 of 3.
    source, model = Model(OutputLayout(1), priors=3, start=1000), Model(OutputLayout(2), priors=2)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    result = started(model, source, meta('a'), ('a', 'b'))
    for name, value in fresh.items():
        assert torch.equal(result.state[name], value) == name.startswith('bbox_head')
    assert result.lines[-1] == 'level 0 has 2 priors per cell instead of 3: their prediction layers begin anew'


def test_tensors_that_are_missing_or_left_over_are_counted():
    source, model = Model(OutputLayout(2)), Model(OutputLayout(2))
    state = source.state_dict()
    del state['backbone.bias']
    state['neck.weight'] = torch.ones(2)
    result = transfer(model, state, meta('a', 'b'), ('a', 'b'))
    assert result.lines[0] == '5 of 6 tensors fit; these begin anew: backbone.bias; 1 of the file are not used'
    assert result.state.keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    'names, classes, wanted',
    [
        (('a', 'b'), ('b',), [1, 2]),
        # The first of two classes of the same name.
        (('a', 'a'), ('a',), [0, 2]),
        # Names that are not those of the outputs say nothing.
        (('a', 'b', 'c'), ('b',), [None, 2]),
        (('a', 'b'), None, [None, 2]),
    ],
)
def test_outputs_with_the_same_meaning(names, classes, wanted):
    assert matching_outputs(OutputLayout(2), names, OutputLayout(1), classes) == wanted


def test_separable_and_dense_predictors_of_a_detector_are_adapted(shapes_checkpoint):
    cfg = config(NAME).model
    cfg.bbox_head.num_classes = 2
    model, content = MODELS.build(cfg), torch.load(shapes_checkpoint, weights_only=True)
    result = transfer(model, content['state_dict'], content['meta'], ('star', 'circle'))
    assert re.fullmatch(r'all \d+ tensors fit', result.lines[0])
    for level, layer in ((0, 1), (3, 0)):
        name = f'bbox_head.cls_convs.{level}.{layer}.bias'
        theirs = content['state_dict'][name].view(-1, 5)
        assert torch.equal(result.state[name].view(-1, 3), theirs[:, [3, 0, 4]])


@pytest.mark.slow
def test_training_starts_from_other_classes_and_resumes_as_it_was(shapes, shapes_checkpoint, run_tool, tmp_path):
    """Three lines in the log; EMA and weights start alike; a resumed run loads nothing a second time."""
    path = tmp_path / 'two.py'
    path.write_text(
        f"""_base_ = 'ssd_plugin::{NAME}'
metainfo = dict(classes=('star', 'circle'))
model = dict(bbox_head=dict(num_classes=2))
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False, dataset=dict(metainfo=metainfo))
val_dataloader = dict(dataset=dict(metainfo=metainfo))
train_cfg = dict(val_interval=100)
default_hooks = dict(checkpoint=dict(interval=1))
load_from = '{shapes_checkpoint}'
"""
    )

    def train(folder, iterations, *options):
        result = run_tool(
            *('train.py', path, '--work-dir', tmp_path / folder, *options),
            *('--cfg-options', f'data_root={shapes}', f'train_cfg.max_iters={iterations}'),
        )
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr

    lines = [line for line in train('whole', 2).splitlines() if 'load_from: ' in line]
    assert [line.partition('load_from: ')[2] for line in lines][1:] == [
        'classes that are taken over by name: star, circle; so is the background',
        'classes that begin anew: none; classes of the file that are not used: square, triangle',
    ]
    train('parts', 1)
    assert 'load_from: ' not in train('parts', 2, '--resume')
    found = [torch.load(tmp_path / folder / 'iter_2.pth', weights_only=True) for folder in ('whole', 'parts')]
    for key in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(found[0][key][name], value) for name, value in found[1][key].items())
    # The warm-up has hardly moved the weights.
    first = torch.load(tmp_path / 'parts/iter_1.pth', weights_only=True)
    name = 'bbox_head.cls_convs.3.0.bias'
    theirs = torch.load(shapes_checkpoint, weights_only=True)['state_dict'][name].view(-1, 5)[:, [3, 0, 4]]
    for state, key in ((first['state_dict'], name), (first['ema_state_dict'], f'module.{name}')):
        torch.testing.assert_close(state[key].view(-1, 3), theirs, atol=0.01, rtol=0)
