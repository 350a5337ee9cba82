"""A lock that keeps two trainings from writing to one work directory."""

import hashlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from ssd_plugin.errors import UserError
from ssd_plugin.files import part_of, write_atomically

LOCK_NAME = 'training.lock'
# Seconds between two signs of life, and without one before a training on another machine counts as dead.
HEARTBEAT = 5.0
LEASE = 60.0
POLL = 0.5


class Holder(TypedDict):
    """The process that holds a lock, as written in the lock file.

    Attributes:
        host: Name of its machine.
        pid: Process id.
        since: Time at which it took the lock.
        kernel: Boot of the machine and namespace of process ids, in which ``pid`` means something.
        started: Start of the process in clock ticks since the boot; process ids are used again.
        token: Random text that no other holder has.
    """

    host: str
    pid: int
    since: str
    kernel: str
    started: str
    token: str


# Contents of the lock files of this process by its id, which tells it from forked ones, and folder.
_HELD: dict[tuple[int, Path], bytes] = {}


class WorkDirLock:
    """The file ``training.lock`` in a work directory, which names the process that trains there.

    On the same machine, the kernel knows whether that process lives: a run that was killed can be resumed at once.
    Across machines with a shared file system, the holder updates the time of the file every 5 seconds, and counts as
    dead when another machine has seen no update for 60 seconds. Clocks are not compared, and no locks of the file
    system are used, which NFS and Lustre offer on some mounts only. The file is created and replaced by operations that
    are atomic on these file systems. If a holder was merely paused for so long, it notices that its lock was
    taken before it writes the next checkpoint.

    A process has one lock on a folder: further objects use that of the first, and :meth:`release` is up to it.

    Args:
        folder: The work directory; it is created if it does not exist.
        say: Function that tells the user why acquiring the lock takes long.
    """

    def __init__(self, folder: str | Path, say: Callable[[str], object] = print) -> None:
        self.folder = Path(folder)
        self.path = self.folder / LOCK_NAME
        self._say = say
        self._content = b''
        self._key: tuple[int, Path] | None = None
        self._ended = threading.Event()

    def acquire(self) -> None:
        """Create the lock file, replacing that of a dead process.

        Raises:
            UserError: Another process that lives has it, or the folder cannot be written to.
        """
        key = os.getpid(), self.folder.resolve()
        if key in _HELD:
            self._content = _HELD[key]
            return
        holder = Holder(
            host=socket.gethostname(),
            pid=os.getpid(),
            since=datetime.now().isoformat(' ', 'seconds'),
            kernel=_kernel(),
            started=_started(os.getpid()) or '',
            token=uuid.uuid4().hex,
        )
        self._content = json.dumps(holder).encode()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while not (self._create() or self._take_over()):
                pass
        except OSError as error:
            raise UserError(
                f'the work directory {self.folder} cannot be written to: {error.strerror}. Choose another one with '
                '--work-dir'
            ) from error
        _HELD[key] = self._content
        self._key = key
        threading.Thread(target=self._beat, daemon=True).start()

    def release(self) -> None:
        """Remove the lock file, if this object has created it."""
        if self._key is None:
            return
        self._ended.set()
        del _HELD[self._key]
        self._key = None
        if self._read() == self._content:
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Check that nobody has taken the lock, before writing to the folder.

        Raises:
            UserError: Another training took it, because this process was paused for longer than the lease.
        """
        try:
            content = self._read()
        except OSError:
            # The file system is away; what is written next reports it.
            return
        if content not in (self._content, None):
            raise UserError(
                f'{_described(_parsed(content))} has taken over {self.folder}, because this training showed no sign of '
                f'life for {LEASE:.0f} seconds. It ends here, so that no checkpoint is overwritten'
            )

    def _create(self) -> bool:
        """Create the lock file, and return whether there was none."""
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        try:
            os.write(file, self._content)
        except OSError:
            self.path.unlink()
            raise
        finally:
            os.close(file)
        return True

    def _take_over(self) -> bool:
        """Replace the lock file of another process if that is dead, and return whether this was done.

        Raises:
            UserError: It lives.
        """
        content = self._read()
        if content is None:
            return False
        holder = _parsed(content)
        if holder is not None and holder['kernel'] == _kernel():
            lives = _started(holder['pid']) == holder['started']
        else:
            lives = self._shows_life(_described(holder))
        if lives:
            raise UserError(
                f'another training writes to {self.folder}: {_described(holder)}. Wait until it has ended, or choose '
                'another folder with --work-dir'
            )
        return self._replace(content)

    def _replace(self, dead: bytes) -> bool:
        """Replace the lock file of a dead process unless another process does, and return whether this was done."""
        # Of the processes that find the same dead one, the creator of this file replaces the lock.
        claim = part_of(self.path.with_name(f'{LOCK_NAME}.{hashlib.sha1(dead, usedforsecurity=False).hexdigest()}'))
        try:
            claim.open('x').close()
        except FileExistsError:
            if not self._changes_within_lease(self._read, dead):
                # Its creator was killed in between.
                claim.unlink(missing_ok=True)
            return False
        try:
            # It may have been replaced, and the claim removed, since it was read.
            current = self._read() == dead
            if current:
                write_atomically(self.path, lambda file: file.write(self._content))
            return current
        finally:
            claim.unlink(missing_ok=True)

    def _shows_life(self, holder: str) -> bool:
        """Return whether the lock file changes within the lease."""
        self._say(f'{self.path} names {holder}: waiting up to {LEASE:.0f} seconds for a sign of life')
        # Without a file, the holder has just ended.
        return self._changes_within_lease(self._state, self._state()) and self._state() is not None

    def _changes_within_lease(self, read: Callable[[], object], first: object) -> bool:
        """Return whether a value is no longer the first one within the lease."""
        end = time.monotonic() + LEASE
        while time.monotonic() < end:
            time.sleep(POLL)
            if read() != first:
                return True
        return False

    def _state(self) -> tuple[bytes, int] | None:
        """Return content and time of the lock file; ``None`` without one."""
        try:
            # Opening a file makes NFS ask the server for its current attributes.
            with open(self.path, 'rb') as file:
                return file.read(), os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            return None

    def _read(self) -> bytes | None:
        state = self._state()
        return None if state is None else state[0]

    def _beat(self) -> None:
        """Show life until the lock is released."""
        while not self._ended.wait(HEARTBEAT):
            try:
                content = self._read()
                if content is None:
                    # Someone has cleaned up the folder.
                    self._create()
                elif content == self._content:
                    os.utime(self.path)
            except OSError:
                # A file system that is full or away for a moment; the next sign of life may come through.
                continue


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keep other processes from training in a work directory while the block runs.

    Raises:
        UserError: Another process trains there, or the folder cannot be written to.
    """
    lock = WorkDirLock(folder)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _parsed(content: bytes | None) -> Holder | None:
    """Return the holder that a lock file names; ``None`` if its writer was interrupted."""
    try:
        holder = json.loads(content or b'')
        return Holder(**{key: holder[key] for key in Holder.__annotations__})
    except (ValueError, TypeError, KeyError):
        return None


def _described(holder: Holder | None) -> str:
    if holder is None:
        return 'another process'
    return f'process {holder["pid"]} on {holder["host"]} (since {holder["since"]})'


def _kernel() -> str:
    """Return the boot of this machine and the namespace of process ids, which containers have their own of."""
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
        return f'{boot} {os.readlink("/proc/self/ns/pid")}'
    except OSError:
        # A system other than Linux.
        return socket.gethostname()


def _started(pid: int) -> str | None:
    """Return when a process of this machine started, in clock ticks since the boot; ``None`` if it has ended.

    Without procfs, on systems other than Linux, this is an empty text.
    """
    if Path('/proc/self/stat').exists():
        try:
            # Behind the name of the program, which may contain spaces and parentheses.
            state, *fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # A zombie has ended, although its parent has not asked for the exit status yet.
        return None if state in 'ZX' else fields[18]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ''
    return ''
