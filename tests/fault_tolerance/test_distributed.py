"""Several processes train what one does."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import time
from functools import partial

import pytest
import torch

from ssd_plugin.prepare.drawn_shapes import CLASSES
from tests.fault_tolerance.runs import assert_same, lines_of_interrupt
from tests.support import ROOT, run_tool_in, script_interpreters

pytestmark = pytest.mark.slow
# Interrupts of a training of two processes, each of which takes seconds to start.
MOMENTS = 4
DATA = """
custom_imports = dict(imports=['ssd_plugin', 'recording'], allow_failed_imports=False)
max_iters = {iterations}
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
pipeline = [*_base_.train_pipeline]
data = dict(
    _delete_=True, type='CheckedVOCDataset', data_root='{data}/', metainfo=dict(classes={classes}),
    data_prefix=dict(sub_data_root=''))
train_dataloader = dict(
    batch_size=4, num_workers=1, dataset=dict(ann_file='ImageSets/Main/train.txt', pipeline=pipeline, **data))
val_dataloader = dict(
    num_workers=0, persistent_workers=False, batch_size=2,
    dataset=dict(ann_file='{names}', test_mode=True, pipeline=_base_.test_pipeline, **data))
test_dataloader = val_dataloader
param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=10)]
default_hooks = dict(checkpoint=dict(interval=max_iters, save_best=None), logger=dict(interval=1))
custom_hooks = [*_base_.custom_hooks, dict(type='RecordingHook')]
randomness = dict(seed=1)
env_cfg = dict(cudnn_benchmark=False, dist_cfg=dict(backend='gloo'))
model_wrapper_cfg = dict(type='MMDistributedDataParallel')
"""
# VGG-16 and all six levels, on images of a fifth of the side.
SMALL_SSD300 = """
_base_ = 'ssd_plugin::ssd300_voc.py'
for step in [*_base_.train_pipeline, *_base_.test_pipeline]:
    if 'scale' in step:
        step.update(scale=(64, 64))
model = dict(
    backbone=dict(init_cfg=None),
    neck=dict(strides=(2, 2, 2, 2), paddings=(1, 1, 1, 1)),
    bbox_head=dict(
        num_classes=4,
        prior_generator=dict(
            input_size=64, strides=[8, 16, 32, 64, 64, 64],
            sizes=[(6, 13), (13, 24), (24, 35), (35, 45), (45, 56), (56, 67)])))
"""
DEPTHWISE = """
_base_ = 'ssd_plugin::ssd_depthwise_320x240_voc.py'
model = dict(bbox_head=dict(num_classes=4))
"""


def write_config(folder, kind, data, iterations, double=False):
    path = folder / f'{kind}.py'
    text = dict(ssd300=SMALL_SSD300, depthwise=DEPTHWISE)[kind]
    if double:
        text = text.replace('model = dict(', "model = dict(\n    type='DoubleDetector',", 1)
    # Three images: with two processes one is evaluated twice, and must not count so.
    names = folder / 'names.txt'
    names.write_text('\n'.join((data / 'ImageSets/Main/test.txt').read_text().split()[:3]))
    path.write_text(text + DATA.format(data=data, names=names, classes=CLASSES, iterations=iterations))
    return path


def with_hook(kind, **options):
    """The end of a config that changes options of a hook."""
    return f'for hook in custom_hooks:\n    if hook["type"] == {kind!r}:\n        hook.update({options})\n'


def environment(**more):
    # One thread each: sums are made in one order.
    return dict(PYTHONPATH=os.path.dirname(__file__), OMP_NUM_THREADS='1', **more)


def run(folder, tool, *arguments, **more):
    result = run_tool_in(folder, tool, *arguments, **environment(**more))
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def evaluation(text):
    """The lines of the classes: objects, detections, recall, AP."""
    lines = re.findall(r'^\| (?:circle|square|triangle|star|mAP) .*$', text, re.MULTILINE)
    assert len(lines) == 5
    return lines


# The warm-up has ten iterations. VGG-16 in double precision takes seconds for each.
@pytest.mark.parametrize('kind, iterations, frozen', [('ssd300', 5, 0), ('depthwise', 20, 0), ('depthwise', 6, 3)])
def test_two_processes_with_half_the_batch_each_train_what_one_does_with_all(
    kind, iterations, frozen, shapes, tmp_path
):
    config = write_config(tmp_path, kind, shapes, iterations, double=True)
    with open(config, 'a') as file:
        file.write(f"default_hooks['freeze_backbone'] = dict(type='FreezeBackboneHook', iterations={frozen})\n")
    # The state of the optimizer, as large as the weights, is not compared.
    weights_only = ('--cfg-options', 'default_hooks.checkpoint.save_optimizer=False')
    alone = run(tmp_path, 'train.py', config, '--work-dir', tmp_path / 'one', *weights_only)
    text = run(
        tmp_path,
        'dist_train.sh',
        config,
        '2',
        '--work-dir',
        tmp_path / 'two',
        *weights_only,
        'train_dataloader.batch_size=2',
    )
    assert text.count('pascal_voc/mAP') == 1 and evaluation(text) == evaluation(alone)
    one = json.loads((tmp_path / 'one/rank_0.json').read_text())
    ranks = [json.loads((tmp_path / f'two/rank_{rank}.json').read_text()) for rank in (0, 1)]
    assert len(one) == len(ranks[0]) == len(ranks[1]) == iterations
    for whole, *halves in zip(one, *ranks):
        assert sorted(whole['images']) == sorted(halves[0]['images'] + halves[1]['images'])
        # Each rank's loss is its sum over the mean number of positives.
        assert sum(half['loss'] for half in halves) / 2 == pytest.approx(whole['loss'], rel=1e-5)
    first, second = (
        torch.load(tmp_path / name / f'iter_{iterations}.pth', weights_only=True)['state_dict']
        for name in ('one', 'two')
    )
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-5, atol=1e-5)


@pytest.fixture
def script(shapes, tmp_path):
    """A function that starts a training of two processes in the background, in the work dir ``run``."""
    config = write_config(tmp_path, 'depthwise', shapes, iterations=25)
    config.write_text(config.read_text() + with_hook('PreemptionHook', interval=5))
    return partial(Script, tmp_path, config)


class Script:
    """A run of ``tools/dist_train.sh`` in a session of its own, with its output in a log file."""

    def __init__(self, folder, config, *arguments, work_dir='run'):
        options = ('--cfg-options', 'train_dataloader.batch_size=2')
        command = ['bash', ROOT / 'tools/dist_train.sh', config, '2', '--work-dir', folder / work_dir, *arguments]
        env = {**os.environ, **script_interpreters(), **environment()}
        self.log = folder / 'log'
        with open(self.log, 'w') as file:
            self.process = subprocess.Popen(
                [*map(str, command), *options], env=env, stdout=file, stderr=file, cwd=folder, start_new_session=True
            )

    def wait_for(self, text):
        """Wait until a text is in the log, or the script has ended."""
        limit = time.time() + 120
        while text not in self.log.read_text() and self.process.poll() is None:
            assert time.time() < limit, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def ctrl_c(self):
        """Send SIGINT to the processes that a terminal sends it to."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def end(self):
        """Wait for the end, and return the exit status and the log."""
        return self.process.wait(120), self.log.read_text()


def test_a_signal_to_the_script_ends_all_ranks_after_the_same_iteration_and_they_go_on(script, tmp_path):
    run = script()
    run.wait_for('Iter(train) [ 7/25]')
    run.process.terminate()
    status, text = run.end()
    assert status == 75 and lines_of_interrupt(text) == re.findall('.*Stopping after.*', text), text[-3000:]
    stopped = (
        json.loads((tmp_path / 'run/rank_0.json').read_text()),
        json.loads((tmp_path / 'run/rank_1.json').read_text()),
    )
    assert len(stopped[0]) == len(stopped[1]) and len(stopped[0]) % 5 == 0
    assert script('--resume').end()[0] == script(work_dir='whole').end()[0] == 0
    assert_same_weights(tmp_path)


def assert_same_weights(folder):
    found, expected = (torch.load(folder / name / 'iter_25.pth', weights_only=True) for name in ('run', 'whole'))
    assert_same(found['state_dict'], expected['state_dict'])


def test_ctrl_c_at_random_moments_writes_at_most_one_line_and_the_ranks_end_with_the_same_weights(script, tmp_path):
    moments, ends = random.Random(7), []
    for _ in range(MOMENTS):
        run = script('--resume')
        run.wait_for(moments.choice(['recipe:', 'mmengine - INFO', *['Iter(train)'] * 6]))
        time.sleep(moments.uniform(0, 0.5))
        run.ctrl_c()
        status, text = run.end()
        ends.append(status)
        assert len(lines_of_interrupt(text)) == (status != 0), text[-3000:]
    assert set(ends) <= {75, 130, 0} and 75 in ends
    assert script(work_dir='whole').end()[0] == 0
    assert script('--resume').end()[0] == 0
    assert_same_weights(tmp_path)


def test_a_second_ctrl_c_ends_all_ranks_at_once(script):
    run = script()
    run.wait_for('Iter(train) [ 1/25]')
    run.ctrl_c()
    # Two signals that arrive together count as one.
    time.sleep(0.3)
    begin = time.time()
    run.ctrl_c()
    status, text = run.end()
    assert status == 130 and time.time() - begin < 10 and lines_of_interrupt(text) == ['interrupted']


def test_both_ranks_return_to_the_best_weights_when_the_rate_falls(shapes, tmp_path):
    config = write_config(tmp_path, 'depthwise', shapes, iterations=8)
    # Nothing improves by so much that it counts, so the rate falls at each validation but the first.
    config.write_text(
        config.read_text()
        + """
model.update(type='MultiBoxDetector', val_loss=True)
train_cfg = dict(max_iters=8, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=0.3))
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='val_loss', threshold=0.99, patience=0, factor=0.5)]
default_hooks['checkpoint'].update(save_best='val_loss', rule='less', interval=1)
custom_hooks += [dict(type='ReturnToBestHook'), dict(type='WeightsHook')]
"""
    )
    text = run(tmp_path, 'dist_train.sh', config, '2', '--work-dir', tmp_path / 'run')
    assert text.count('training continues from the best weights') >= 3 and 'cannot be loaded' not in text
    first, second = (json.loads((tmp_path / f'run/weights_{rank}.json').read_text()) for rank in (0, 1))
    assert len(first) == 8 and first == second
    # After a fall, the weights are those of the best checkpoint, which are older than the last ones.
    assert any(before == after for number, after in enumerate(first) for before in first[: max(number - 1, 0)])
