"""Damaged, foreign and malicious files: each ends in one clear error, runs nothing and writes nothing."""

import io
import os
import pickle
import re
from collections import OrderedDict

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssd_plugin.errors import UserError
from ssd_plugin.interop import convert_checkpoint
from ssd_plugin.interop.checkpoint_files import read_checkpoint
from tests.interop.parity import foreign_state
from tests.support import run_python_in, run_tool_in


@pytest.fixture(scope='module')
def slim():
    """Return a complete state dict of the smallest format, with zeros."""
    return foreign_state('face-slim')


@pytest.fixture
def refused(tmp_path):
    """Return a function that gives the error for the content of a file, and asserts that nothing else was written."""

    def refuse(content, **options):
        source = tmp_path / 'source.pth'
        if isinstance(content, bytes):
            source.write_bytes(content)
        else:
            torch.save(content, source)
        with pytest.raises(UserError) as error:
            convert_checkpoint(source, tmp_path / 'target.pth', **options)
        assert os.listdir(tmp_path) == ['source.pth']
        assert 'source.pth' in str(error.value)
        return str(error.value)

    return refuse


def packed(value) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def legacy(value) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def test_a_complete_file_converts(slim, tmp_path):
    torch.save(slim, tmp_path / 'source.pth')
    assert convert_checkpoint(tmp_path / 'source.pth', tmp_path / 'target.pth').format == 'face-slim'


@pytest.mark.parametrize('pack', [packed, legacy])
@given(fraction=st.floats(0, 0.999))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_truncated_files_are_refused(slim, refused, pack, fraction):
    content = pack(slim)
    assert 'damaged' in refused(content[: int(fraction * len(content))])


@pytest.mark.parametrize('pack', [packed, legacy])
@pytest.mark.parametrize('whole_model', [False, True])
@given(changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=10))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_give_a_user_error_or_a_state_dict(tmp_path, pack, whole_model, changes):
    content = bytearray(pack({'a.weight': torch.randn(4, 4), 'b': torch.zeros(3)}))
    for position, value in changes:
        content[int(position * len(content))] = value
    (tmp_path / 'source.pth').write_bytes(content)
    try:
        state, _ = read_checkpoint(tmp_path / 'source.pth', whole_model)
    except UserError as error:
        assert 'source.pth' in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert all(isinstance(value, torch.Tensor) for value in state.values())


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_missing_renamed_and_reshaped_parameters_are_named(slim, refused, data):
    state = OrderedDict(slim)
    name = data.draw(st.sampled_from([name for name in slim if 'num_batches' not in name]))
    issue = data.draw(st.sampled_from(['missing', 'renamed', 'shape', 'added']))
    if issue == 'missing':
        del state[name]
        expected = f'{name} (missing)'
    elif issue == 'renamed':
        state['backbone9.' + name] = state.pop(name)
        expected = f'backbone9.{name} (unknown)'
    elif issue == 'shape':
        state[name] = torch.zeros(state[name].numel() + 1)
        expected = f'{name} (shape'
    else:
        state['more.weight'] = torch.zeros(3)
        expected = 'more.weight (unknown)'
    message = refused(state)
    assert expected in message and 'face-slim' in message


def test_files_of_two_formats_in_one_are_refused(slim, refused):
    assert 'unknown' in refused({**slim, 'vgg.0.weight': torch.zeros(64, 3, 3, 3), 'L2Norm.weight': torch.zeros(512)})


def test_another_format_than_asked_for_is_refused(slim, refused):
    message = refused(slim, source_format='ssd.pytorch')
    assert 'ssd.pytorch (amdegroot)' in message and 'base_net.0.0.weight (unknown)' in message


class Attack:
    """Object whose unpickling would create a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('pack', [packed, legacy, pickle.dumps])
@pytest.mark.parametrize('inside', ['alone', 'in a state dict', 'beside one'])
def test_files_that_ask_to_run_code_are_refused_and_run_nothing(slim, refused, tmp_path, pack, inside):
    trap = tmp_path.parent / f'{tmp_path.name}-sprung'
    attack = Attack(trap)
    content = {
        'alone': attack,
        'in a state dict': {**slim, 'more': attack},
        'beside one': dict(state_dict=slim, meta=attack),
    }[inside]
    message = refused(pack(content))
    assert 'refused' in message and 'run code' in message and 'mkdir' in message
    assert not trap.exists()


@pytest.mark.parametrize(
    'content', [b'', b'nothing', b'\x00' * 1000, b'PK\x03\x04' + b'\x00' * 50, pickle.dumps([1, 2])]
)
def test_files_that_are_no_checkpoint_are_refused(refused, content):
    assert 'damaged' in refused(content) or 'no state dict' in refused(content)


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused(refused, content):
    refused(content)


@pytest.mark.parametrize(
    'content, message',
    [
        ([torch.zeros(3)], 'no state dict: .* found list'),
        ({}, 'no state dict'),
        (dict(state_dict={}), 'no state dict'),
        (dict(epoch=3, optimizer=dict(lr=1.0)), 'epoch: int, optimizer: dict'),
        ({0: torch.zeros(3)}, 'no state dict'),
        ({'vgg.0.weight': torch.full((3,), torch.nan)}, 'not finite, in vgg.0.weight'),
    ],
)
def test_files_without_usable_weights_are_refused(refused, content, message):
    assert re.search(message, refused(content))


def test_weights_of_other_classes_ask_for_names(slim, refused):
    predictors = re.compile(r'classification_headers\.([012]\.2|3)\.')
    state = {
        name: value.new_zeros(2 * len(value), *value.shape[1:]) if predictors.match(name) else value
        for name, value in slim.items()
    }
    assert '3 class(es)' in refused(state) and '--classes' in refused(state)
    assert '2 are given' in refused(state, classes=['a', 'b'])


def test_torchscript_is_named(refused, tmp_path_factory):
    path = tmp_path_factory.mktemp('script') / 'model.pt'
    torch.jit.script(torch.nn.ReLU()).save(str(path))
    assert 'TorchScript' in refused(path.read_bytes())


@pytest.mark.parametrize(
    'target, message', [('nowhere/target.pth', 'no folder'), ('.', 'is a folder'), ('source.pth', 'the source itself')]
)
def test_targets_that_cannot_be_written_are_refused(slim, tmp_path, target, message):
    torch.save(slim, tmp_path / 'source.pth')
    before = (tmp_path / 'source.pth').read_bytes()
    with pytest.raises(UserError, match=message):
        convert_checkpoint(tmp_path / 'source.pth', tmp_path / target)
    assert os.listdir(tmp_path) == ['source.pth'] and (tmp_path / 'source.pth').read_bytes() == before


def test_an_existing_target_survives_a_failed_write(slim, tmp_path, monkeypatch):
    torch.save(slim, tmp_path / 'source.pth')
    (tmp_path / 'target.pth').write_text('precious')

    def full(checkpoint, file):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('ssd_plugin.interop.checkpoint_files.torch.save', full)
    with pytest.raises(UserError, match='No space left'):
        convert_checkpoint(tmp_path / 'source.pth', tmp_path / 'target.pth')
    assert (tmp_path / 'target.pth').read_text() == 'precious' and len(os.listdir(tmp_path)) == 2


def test_the_tool_reports_errors_in_one_line(tmp_path):
    (tmp_path / 'source.pth').write_bytes(b'nothing')
    for command in (('source.pth', 'target.pth'), ('nowhere.pth', 'target.pth')):
        result = run_tool_in(tmp_path, 'convert_checkpoint.py', *command)
        assert result.returncode == 1 and 'Traceback' not in result.stderr
        assert result.stderr.strip().splitlines()[-1].startswith('error: ')
    assert os.listdir(tmp_path) == ['source.pth']


TUTORIAL_MODEL = """
from torch import nn
class VGGBase(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1_1 = nn.Conv2d(3, 4, 3)
        self.pool1 = nn.MaxPool2d(2)
        self.register_buffer('count', __import__('torch').arange(3))
class SSD300(nn.Module):
    def __init__(self):
        super().__init__()
        self.base = VGGBase()
        self.rescale_factors = nn.Parameter(__import__('torch').ones(1, 4, 1, 1))
        self.priors_cxcy = self.rescale_factors + 1
"""
SAVE = """
import torch, model
ssd = model.SSD300()
optimizer = torch.optim.SGD(ssd.parameters(), lr=1e-3, momentum=0.9)
sum(p.sum() for p in ssd.parameters()).backward()
optimizer.step()
ssd.priors_cxcy = ssd.priors_cxcy.detach()
torch.save(ssd.state_dict(), 'state.pth')
torch.save(dict(epoch=231, model=ssd, optimizer=optimizer), 'whole.pth'{form})
"""


@pytest.mark.parametrize('form', ['', ', _use_new_zipfile_serialization=False'])
def test_a_whole_pickled_model_is_refused_with_a_way_out_that_works(tmp_path, form):
    (tmp_path / 'model.py').write_text(TUTORIAL_MODEL)
    (tmp_path / 'save.py').write_text(SAVE.format(form=form))
    assert run_python_in(tmp_path, 'save.py').returncode == 0
    # The tutorial's classes are not installed here, nor needed.
    with pytest.raises(UserError, match='refused.*model.SSD300.*--whole-model'):
        read_checkpoint(tmp_path / 'whole.pth')
    found, _ = read_checkpoint(tmp_path / 'whole.pth', whole_model=True)
    expected = torch.load(tmp_path / 'state.pth', weights_only=True)
    assert list(found) == list(expected) and all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize('pack', [packed, legacy])
def test_whole_models_that_ask_to_run_code_are_refused(slim, refused, tmp_path, pack):
    trap = tmp_path.parent / f'{tmp_path.name}-sprung'
    assert 'no state dict' in refused(pack(dict(model=Attack(trap), epoch=1)), whole_model=True)
    assert 'damaged' in refused(b'nothing', whole_model=True)
    assert not trap.exists()
