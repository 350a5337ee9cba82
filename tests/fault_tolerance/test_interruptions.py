"""Whatever ends a run, the next one goes on from where it was, to the same weights bit for bit."""

import os
import random
import resource
import shutil
import signal
import time
from functools import partial

import pytest

from ssd_plugin.engine.checkpointing.checkpoint_integrity import newest_resumable
from ssd_plugin.engine.checkpointing.preemption_hook import PREEMPTED_STATUS
from tests.fault_tolerance.runs import ITERATIONS, Run, assert_same, lines_of_interrupt, state_of


@pytest.fixture(scope='module')
def start(shapes):
    """Start a training on the drawn data."""
    return partial(Run, shapes)


@pytest.fixture(scope='module')
def uninterrupted(start, tmp_path_factory):
    """The work dir of a run that nothing has happened to, and how long it took."""
    folder = tmp_path_factory.mktemp('whole') / 'run'
    begin = time.time()
    start(folder).finish()
    return folder, time.time() - begin


def finish_and_compare(start, folder, uninterrupted, **settings):
    text = start(folder, '--resume', **settings).finish().text()
    assert_same(state_of(folder), state_of(uninterrupted[0]))
    assert not list(folder.glob('.*.part'))
    return text


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_with_the_same_weights(start, uninterrupted, tmp_path):
    moments = random.Random(5)
    for _ in range(10):
        run, end = start(tmp_path / 'run', '--resume'), time.time() + moments.uniform(0.05, 1) * uninterrupted[1]
        run.wait_for(lambda end=end: time.time() > end)
        run.signal(signal.SIGKILL)
        run.end()
    finish_and_compare(start, tmp_path / 'run', uninterrupted)


@pytest.mark.slow
def test_ctrl_c_at_ten_random_moments_writes_one_line_and_the_run_ends_with_the_same_weights(
    start, uninterrupted, tmp_path
):
    moments, ends = random.Random(6), []
    for _ in range(10):
        run = start(tmp_path / 'run', '--resume')
        # Earlier, it is a fork of the tool server that has not become the tool.
        run.wait_for(moments.choice(['recipe:', 'mmengine - INFO', *['Iter(train)'] * 6]))
        time.sleep(moments.uniform(0, 0.3))
        run.ctrl_c()
        ends.append(run.end())
        assert len(lines_of_interrupt(run.text())) == (ends[-1] != 0), run.text()[-3000:]
    assert set(ends) <= {PREEMPTED_STATUS, -signal.SIGINT, 0} and ends.count(PREEMPTED_STATUS) > 2
    finish_and_compare(start, tmp_path / 'run', uninterrupted)


def test_a_second_training_in_a_work_dir_is_refused_and_the_first_goes_on(start, tmp_path):
    folder = tmp_path / 'run'
    first = start(folder)
    first.wait_for('Iter(train) [ 1/')
    # By another name, after which its log is named.
    (tmp_path / 'same').symlink_to(folder)
    second = start(tmp_path / 'same', '--resume')
    assert second.end() == 1
    last = second.text().strip().splitlines()[-1]
    assert last.startswith(f'error: another training writes to {tmp_path / "same"}: process {first.program.pid} on ')
    assert 'mmengine' not in second.text()
    first.finish()
    assert not (folder / 'training.lock').exists()


def test_a_second_ctrl_c_ends_a_run_at_once(start, tmp_path):
    run = start(tmp_path / 'run', slow_saves=30.0)
    run.wait_for('Iter(train) [ 1/')
    run.ctrl_c()
    run.wait_for(lambda: (tmp_path / 'run/.iter_2.pth.part').exists())
    run.ctrl_c()
    assert run.end() == -signal.SIGINT and lines_of_interrupt(run.text()) == ['interrupted']


@pytest.mark.slow
@pytest.mark.parametrize('number', [1, 3])
def test_a_run_killed_while_writing_a_checkpoint_resumes_from_the_one_before(number, start, uninterrupted, tmp_path):
    folder = tmp_path / 'run'
    run = start(folder, slow_saves=0.5)
    run.wait_for(lambda: (folder / f'.iter_{2 * number}.pth.part').exists())
    run.signal(signal.SIGKILL)
    assert run.end() == -signal.SIGKILL
    assert (folder / f'.iter_{2 * number}.pth.part').exists() and not (folder / f'iter_{2 * number}.pth').exists()
    text = finish_and_compare(start, folder, uninterrupted)
    assert ('has no checkpoint to resume from' in text) == (number == 1)


@pytest.mark.slow
def test_a_run_killed_in_a_validation_repeats_it(start, uninterrupted, tmp_path):
    run = start(tmp_path / 'run', slow_validation=20.0)
    # Its checkpoint is there, its validation is not over.
    run.wait_for(lambda: (tmp_path / f'run/iter_{ITERATIONS // 2}.pth').exists())
    run.signal(signal.SIGKILL)
    run.end()
    text = finish_and_compare(start, tmp_path / 'run', uninterrupted)
    assert text.count('pascal_voc/mAP: ') == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    'number, moment',
    [*((signal.SIGTERM, moment) for moment in (1, 4, 6, 9, ITERATIONS - 2)), (signal.SIGUSR1, 3), (signal.SIGINT, 7)],
)
def test_a_signal_stops_a_run_with_a_checkpoint_that_resumes_to_the_same_weights(
    number, moment, start, uninterrupted, tmp_path
):
    folder = tmp_path / 'run'
    run = start(folder)
    run.wait_for(f'Iter(train) [{moment:2}/{ITERATIONS}]')
    # To all processes of the run, as clusters do.
    for child in os.popen(f'ps -o pid= --ppid {run.program.pid}').read().split():
        os.kill(int(child), number)
    run.signal(number)
    assert run.end() == PREEMPTED_STATUS, run.text()[-3000:]
    text = run.text()
    last = int(newest_resumable(folder)[0].rsplit('_', 1)[1].removesuffix('.pth'))
    assert moment <= last <= moment + 2 and f'Stopping after iteration {last} ({signal.Signals(number).name})' in text
    finish_and_compare(start, folder, uninterrupted)


@pytest.mark.slow
def test_a_signal_in_a_validation_does_not_wait_for_its_end(start, uninterrupted, tmp_path):
    folder, half = tmp_path / 'run', ITERATIONS // 2
    run = start(folder, slow_validation=1.0)
    run.wait_for(lambda: (folder / f'iter_{half}.pth').exists())
    run.signal(signal.SIGTERM)
    assert run.end() == PREEMPTED_STATUS
    assert f'Stopping after iteration {half} (SIGTERM)' in run.text() and 'pascal_voc/mAP: ' not in run.text()
    finish_and_compare(start, folder, uninterrupted)


@pytest.mark.slow
def test_another_number_of_workers_changes_nothing(start, uninterrupted, tmp_path):
    run = start(tmp_path / 'run', train_dataloader__num_workers=0, train_dataloader__persistent_workers=False)
    run.wait_for(f'Iter(train) [ 7/{ITERATIONS}]')
    run.signal(signal.SIGTERM)
    assert run.end() == PREEMPTED_STATUS
    finish_and_compare(start, tmp_path / 'run', uninterrupted, train_dataloader__num_workers=3)


def test_another_batch_size_goes_on_at_the_same_place_and_says_that_it_is_not_the_same_run(
    start, uninterrupted, tmp_path
):
    folder = shutil.copytree(uninterrupted[0], tmp_path / 'run')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_10.pth'))
    text = start(folder, '--resume', train_dataloader__batch_size=4).finish().text()
    assert 'not exactly the one that was interrupted: batch_size 2 before, 4 now' in text
    assert state_of(folder)['stream'] == dict(position=10 * 2 + 2 * 4, batch_size=4, ranks=1)


@pytest.mark.slow
def test_mosaics_end_at_the_same_iteration_in_a_run_that_was_interrupted(start, shapes, tmp_path):
    config = tmp_path / 'mosaic.py'
    config.write_text("""
_base_ = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
data = _base_.train_dataloader.dataset
*load, augment, pack = data.pipeline
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='AugmentedMixDataset',
        augment=data.pop('augment'),
        dataset=dict(data, pipeline=load),
        pipeline=[dict(type='MosaicSSDAugment', augment=augment, prob=0.7), pack]))
custom_hooks = [*_base_.custom_hooks, dict(type='MosaicSwitchHook', share=0.5)]
""")
    start(tmp_path / 'whole', config=config, train_dataloader__num_workers=2).finish()
    for moment in (3, 8):
        folder = tmp_path / f'run{moment}'
        run = start(folder, config=config)
        run.wait_for(f'Iter(train) [{moment:2}/{ITERATIONS}]')
        run.signal(signal.SIGTERM)
        assert run.end() == PREEMPTED_STATUS
        start(folder, '--resume', config=config).finish()
        assert_same(state_of(folder), state_of(tmp_path / 'whole'))


def test_resuming_a_complete_run_says_so_and_beyond_its_end_is_an_error(start, uninterrupted, tmp_path):
    folder = shutil.copytree(uninterrupted[0], tmp_path / 'run')
    text = start(folder, '--resume').finish().text()
    assert f'There is nothing left to train: the checkpoint was saved after the last of {ITERATIONS} iter' in text
    run = start(folder, '--resume', train_cfg__max_iters=8, param_scheduler__1__end=8)
    assert run.end() == 1
    last = run.text().strip().splitlines()[-1]
    assert last.startswith(
        f'error: there is nothing to train: the checkpoint was saved after iteration {ITERATIONS}, and training ends '
        'at 8. '
    )


def test_a_resumed_run_reads_no_weights_to_start_from(start, uninterrupted, tmp_path):
    folder = shutil.copytree(uninterrupted[0], tmp_path / 'run')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_10.pth'))
    weights = dict(model__backbone__init_cfg__type='Pretrained', model__backbone__init_cfg__checkpoint='nowhere.pth')
    start(folder, '--resume', **weights).finish()
    assert_same(state_of(folder), state_of(uninterrupted[0]))


def test_a_full_disk_keeps_the_checkpoint_before_and_is_an_error_at_the_end(start, tmp_path):
    folder = tmp_path / 'run'
    run = start(folder, slow_saves=0.0)
    run.wait_for(lambda: (folder / 'iter_2.pth').exists())
    # Enough for a log, and a fifth of a checkpoint.
    resource.prlimit(run.program.pid, resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    assert run.end() == 1
    text = run.text()
    assert f'iter_{ITERATIONS}.pth could not be saved: File too large. The last one is' in text
    assert f'Iter(train) [{ITERATIONS}/{ITERATIONS}]' in text and 'training continues' in text
    whole, _ = newest_resumable(folder)
    assert whole and not list(folder.glob('.*.part'))
    assert int(whole.rsplit('_', 1)[1].removesuffix('.pth')) < ITERATIONS
