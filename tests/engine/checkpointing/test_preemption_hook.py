import multiprocessing
import os
import signal
import threading

import pytest

from ssd_plugin.engine.checkpointing.preemption_hook import PREEMPTED_STATUS
from ssd_plugin.engine.checkpointing.stop_signals import StopSignals
from tests.engine.tiny_runner import tiny_runner

NUMBERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def handlers():
    return [signal.getsignal(number) for number in NUMBERS]


@pytest.fixture(autouse=True)
def before():
    """The handlers of the process, which are restored even where a test fails."""
    saved = handlers()
    yield saved
    for number, handler in zip(NUMBERS, saved):
        signal.signal(number, handler)


def fails(error):
    def in_iteration(iteration):
        if iteration == 2:
            raise error

    return in_iteration


@pytest.mark.parametrize('error', [ValueError('bad'), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_the_handlers_are_restored_when_training_raises(error, before, tmp_path):
    during = []

    def in_iteration(iteration):
        during.append(handlers())
        fails(error)(iteration)

    with pytest.raises(type(error)):
        tiny_runner(tmp_path, in_iteration).train()
    assert during[0] != before and handlers() == before


def test_the_handlers_are_restored_when_training_ends(before, tmp_path):
    tiny_runner(tmp_path).train()
    assert handlers() == before


@pytest.mark.parametrize('number', NUMBERS)
def test_a_run_after_one_that_raised_stops_on_a_signal_and_leaves_the_handlers(number, before, tmp_path):
    with pytest.raises(ValueError, match='bad'):
        tiny_runner(tmp_path / 'first', fails(ValueError('bad'))).train()
    runner = tiny_runner(tmp_path / 'second', lambda iteration: iteration == 2 and os.kill(os.getpid(), number))
    runner.train()
    assert runner.iter == 2 and (tmp_path / 'second/iter_2.pth').is_file()
    assert handlers() == before


def test_a_forked_process_ends_on_terminate_and_ignores_ctrl_c(tmp_path):
    found = []

    def in_iteration(iteration):
        process = multiprocessing.get_context('fork').Process(target=signal.pause, daemon=True)
        process.start()
        if iteration == 1:
            # A terminal sends it to all processes.
            os.kill(process.pid, signal.SIGINT)
            process.join(0.3)
            found.append(process.exitcode)
        process.terminate()
        process.join(10)
        found.append(process.exitcode)
        process.kill()

    # The run before leaves nothing that processes of the second could inherit.
    for name in ('first', 'second'):
        tiny_runner(tmp_path / name, in_iteration, train_cfg=dict(type='StreamTrainLoop', max_iters=1)).train()
    assert found == [None, -signal.SIGTERM] * 2


def test_runs_register_nothing_at_fork(monkeypatch, tmp_path):
    registered = []
    monkeypatch.setattr(os, 'register_at_fork', lambda **functions: registered.append(functions))
    tiny_runner(tmp_path).train()
    assert not registered


def test_a_second_ctrl_c_goes_to_the_previous_handler():
    received = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    signals = StopSignals()
    signals.start()
    os.kill(os.getpid(), signal.SIGINT)
    assert signals.received == signal.SIGINT and not received
    os.kill(os.getpid(), signal.SIGINT)
    assert received == [signal.SIGINT]
    signals.stop()


def test_a_background_job_continues_to_ignore_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals = StopSignals()
    signals.start()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    signals.stop()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_training_outside_of_the_main_thread_leaves_the_handlers(before, tmp_path):
    during = []
    runner = tiny_runner(tmp_path, lambda iteration: during.append(handlers()))
    thread = threading.Thread(target=runner.train)
    thread.start()
    thread.join()
    assert during == [before] * 4


def test_a_signal_stops_a_loop_of_epochs_in_the_middle_of_one(tmp_path):
    def in_iteration(iteration):
        if iteration == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    runner = tiny_runner(
        tmp_path,
        in_iteration,
        train_dataloader=dict(
            dataset=dict(type='TinyPoints'),
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=3),
    )
    with pytest.raises(SystemExit) as ending:
        runner.train()
    assert ending.value.code == PREEMPTED_STATUS
    assert runner.model.iteration == 2 and (tmp_path / 'iter_2.pth').is_file()
