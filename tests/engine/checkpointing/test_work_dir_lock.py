import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from ssd_plugin.engine.checkpointing import work_dir_lock
from ssd_plugin.engine.checkpointing.work_dir_lock import LOCK_NAME, WorkDirLock, locked
from ssd_plugin.errors import UserError
from tests.engine.tiny_runner import tiny_runner

FORK = multiprocessing.get_context('fork')
LEASE = 0.6


@pytest.fixture(autouse=True)
def short_times(monkeypatch):
    """Times that a test can wait for."""
    monkeypatch.setattr(work_dir_lock, 'LEASE', LEASE)
    monkeypatch.setattr(work_dir_lock, 'HEARTBEAT', 0.05)
    monkeypatch.setattr(work_dir_lock, 'POLL', 0.02)


def hold(folder, connection):
    """Acquire a lock, report the error or None, and wait."""
    try:
        WorkDirLock(folder).acquire()
    except UserError as error:
        connection.send(str(error))
    else:
        connection.send(None)
        signal.pause()


class Holder:
    """Another process that holds the lock of a folder, or was refused."""

    def __init__(self, folder):
        self.connection, its = FORK.Pipe()
        self.process = FORK.Process(target=hold, args=(folder, its), daemon=True)
        self.process.start()
        self.pid = self.process.pid

    def error(self):
        assert self.connection.poll(60)
        return self.connection.recv()

    def kill(self):
        """End the process, which stays a zombie until it is joined."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def other(tmp_path):
    holder = Holder(tmp_path)
    assert holder.error() is None
    yield holder
    holder.process.kill()
    holder.process.join()


def seconds_to_acquire(folder):
    begin = time.monotonic()
    with locked(folder):
        return time.monotonic() - begin


def pretend(folder, **changes):
    """Write the lock file of a process like this one, except for some entries."""
    lock = WorkDirLock(folder)
    lock.acquire()
    holder = json.loads((folder / LOCK_NAME).read_bytes())
    lock.release()
    (folder / LOCK_NAME).write_text(json.dumps({**holder, **changes}))


def test_a_second_process_is_refused_with_the_host_and_the_id_of_the_first(other, tmp_path):
    with pytest.raises(UserError, match=rf'process {other.pid} on .* \(since 20.*--work-dir'):
        WorkDirLock(tmp_path).acquire()


def test_the_folder_is_free_at_once_after_a_kill_even_of_a_zombie(other, tmp_path):
    other.kill()
    assert seconds_to_acquire(tmp_path) < LEASE / 2
    assert not list(tmp_path.iterdir())


def test_the_id_of_a_dead_process_may_be_that_of_another_by_now(tmp_path):
    pretend(tmp_path, started='1', token='other')
    assert seconds_to_acquire(tmp_path) < LEASE / 2


def test_a_process_of_another_machine_is_given_the_lease_to_show_life(tmp_path, capsys):
    pretend(tmp_path, kernel='other', host='node7')
    assert seconds_to_acquire(tmp_path) >= LEASE
    assert f'process {os.getpid()} on node7' in capsys.readouterr().out


def test_a_process_of_another_machine_that_shows_life_refuses_this_one(tmp_path):
    pretend(tmp_path, kernel='other', host='node7')
    threading.Timer(LEASE / 2, os.utime, [tmp_path / LOCK_NAME]).start()
    with pytest.raises(UserError, match='on node7'):
        WorkDirLock(tmp_path).acquire()


def test_the_folder_is_free_when_the_process_of_another_machine_ends_meanwhile(tmp_path):
    pretend(tmp_path, kernel='other')
    threading.Timer(LEASE / 4, (tmp_path / LOCK_NAME).unlink).start()
    assert seconds_to_acquire(tmp_path) < LEASE


@pytest.mark.parametrize('content', ['', '{"pid": 1', '[]', '{"pid": 1}'])
def test_a_lock_whose_writing_was_interrupted_is_dead_after_the_lease(content, tmp_path):
    (tmp_path / LOCK_NAME).write_text(content)
    assert seconds_to_acquire(tmp_path) >= LEASE


def test_a_holder_shows_life(tmp_path):
    with locked(tmp_path):
        os.utime(tmp_path / LOCK_NAME, (0, 0))
        time.sleep(0.3)
        assert time.time() - (tmp_path / LOCK_NAME).stat().st_mtime < 60


def test_a_holder_whose_file_was_deleted_writes_it_again(tmp_path):
    with locked(tmp_path):
        (tmp_path / LOCK_NAME).unlink()
        time.sleep(0.3)
        assert Holder(tmp_path).error() is not None


def test_a_holder_notices_that_its_lock_was_taken_and_leaves_the_file(tmp_path):
    lock = WorkDirLock(tmp_path)
    lock.acquire()
    lock.check()
    taken = json.dumps({**json.loads((tmp_path / LOCK_NAME).read_bytes()), 'host': 'node7', 'token': 'other'})
    (tmp_path / LOCK_NAME).write_text(taken)
    with pytest.raises(UserError, match='on node7.* has taken over'):
        lock.check()
    lock.release()
    assert (tmp_path / LOCK_NAME).read_text() == taken


def test_of_processes_that_find_a_dead_one_together_exactly_one_gets_the_folder(other, tmp_path):
    other.kill()
    holders = [Holder(tmp_path) for _ in range(8)]
    errors = [holder.error() for holder in holders]
    winners = [holder for holder, error in zip(holders, errors) if error is None]
    assert len(winners) == 1 and all(f'process {winners[0].pid} ' in error for error in errors if error)
    for holder in holders:
        holder.process.kill()
        holder.process.join()


def test_a_process_that_was_killed_while_it_replaced_a_dead_one_blocks_for_the_lease_only(other, tmp_path):
    other.kill()
    digest = hashlib.sha1((tmp_path / LOCK_NAME).read_bytes()).hexdigest()
    (tmp_path / f'.{LOCK_NAME}.{digest}.part').touch()
    assert LEASE <= seconds_to_acquire(tmp_path) < 3 * LEASE


def test_a_process_locks_a_folder_once(tmp_path):
    with locked(tmp_path):
        with locked(tmp_path / '.'):
            pass
        assert (tmp_path / LOCK_NAME).exists()
    assert not (tmp_path / LOCK_NAME).exists()


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match='cannot be written to'):
        WorkDirLock(tmp_path / 'file').acquire()


@pytest.mark.parametrize('error', [None, ValueError('bad'), KeyboardInterrupt()])
def test_a_training_holds_the_folder_until_it_ends_in_whatever_way(error, tmp_path):
    found = []

    def in_iteration(iteration):
        if iteration == 2:
            other = Holder(tmp_path)
            found.append(other.error())
            other.process.join()
            if error is not None:
                raise error

    if error is None:
        tiny_runner(tmp_path, in_iteration).train()
    else:
        with pytest.raises(type(error)):
            tiny_runner(tmp_path, in_iteration).train()
    assert f'process {os.getpid()} on' in found[0]
    assert not (tmp_path / LOCK_NAME).exists()


def test_a_training_whose_folder_was_taken_writes_no_checkpoint(tmp_path):
    def in_iteration(iteration):
        if iteration == 2:
            (tmp_path / LOCK_NAME).write_text(json.dumps(dict(token='other')))

    checkpoint = dict(type='WholeCheckpointHook', by_epoch=False, interval=1)
    with pytest.raises(UserError, match='has taken over'):
        tiny_runner(tmp_path, in_iteration, default_hooks=dict(checkpoint=checkpoint)).train()
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_1.pth']
