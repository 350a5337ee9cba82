"""Atomic writes, checksums, and checks of paths before the work that needs them."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ssd_plugin.errors import UserError

# Name of a file while it is being written, beside its final place.
PART = '.{}.part'
CHUNK = 1 << 20


def part_of(path: Path) -> Path:
    """Return the path at which a file or a folder is written until it is complete."""
    return path.with_name(PART.format(path.name))


def publish(path: Path) -> None:
    """Flush the complete file at :func:`part_of` a path to the disk, and rename it to the path."""
    part = part_of(path)
    with open(part, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    _sync_folder(path.parent)


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its final place, flush it to the disk and rename it.

    A reader sees the previous file or the complete new one, whatever interrupts the writer: a signal, a full disk or
    a power cut.

    Args:
        path: File to write. Its folder must exist.
        write: Function that writes the content to the open binary file.

    Raises:
        OSError: The file cannot be written, which the error names; nothing is left behind.
    """
    path = Path(path)
    part = part_of(path)
    try:
        with open(part, 'wb') as file:
            write(file)
        publish(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(part)):
            # That of a full disk has no name.
            error.filename = str(path)
        raise


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Provide an empty folder to fill, and remove it when the block ends.

    Args:
        folder: Path beside which the folder is created, on the same file system.

    Yields:
        The folder to write to, :func:`part_of` ``folder``.

    Raises:
        OSError: It cannot be created.
    """
    part = part_of(folder)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def folder_written_atomically(folder: Path) -> Iterator[Path]:
    """Provide an empty folder to fill, and rename it to ``folder`` when the block ends without an error.

    Args:
        folder: Folder to create, with its parents.

    Yields:
        The folder to write to, beside the final one; it is removed if the block fails.

    Raises:
        OSError: The folder cannot be created or renamed, for example because ``folder`` exists and is not empty.
    """
    with temporary_folder(folder) as part:
        yield part
        part.rename(folder)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process of this machine holds the lock of a folder, and hold it until the block ends.

    The lock is on the folder itself, so nothing is left behind, and it ends with the process.

    Raises:
        OSError: There is no such folder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot lock folders.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def remove_parts(folder: str | Path) -> list[Path]:
    """Remove the unfinished files that killed processes have left in a folder, and return their paths."""
    parts = sorted(Path(folder).glob(PART.format('*')))
    for part in parts:
        part.unlink(missing_ok=True)
    return parts


def _sync_folder(folder: Path) -> None:
    """Flush the directory entry of a renamed file, where the file system supports it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def md5_of(path: Path) -> str:
    """Return the MD5 checksum of a file in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_local(path: str) -> bool:
    """Return whether a path is a local file, not a URL such as ``http://...`` or ``torchvision://...``."""
    return '://' not in path


def check_target(path: Path) -> None:
    """Check that a file can be written to the folder of a path, and that the path is not a folder itself.

    Raises:
        UserError: The file cannot be written.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(
            f'{path} is a folder; give the path of a file'
            if path.is_dir()
            else f'there is no folder {path.parent} to write to'
        )
    check_folder(path.parent, str(path))


def check_folder(path: Path, option: str) -> None:
    """Check that files can be written to a folder, which is created if needed; nothing is left behind.

    Args:
        path: The folder.
        option: Command-line option or config key that the path comes from, for the message.

    Raises:
        UserError: The folder cannot be created, or nothing can be written to it.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Enough that a full disk has no room for it.
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(CHUNK))
    except OSError as error:
        reason = 'it is a file' if isinstance(error, FileExistsError) else error.strerror or str(error)
        raise UserError(f'nothing can be written to the folder {path} ({option}): {reason}') from error
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def check_checkpoint(path: str | None, option: str) -> None:
    """Check that a checkpoint file exists.

    Args:
        path: Path of the file. URLs (``http://...``, ``torchvision://...``) and ``None`` are not checked.
        option: Command-line option that the path comes from, for the message.

    Raises:
        UserError: There is no such file.
    """
    if path and is_local(path) and not os.path.isfile(path):
        raise UserError(
            f'there is no checkpoint {path} ({option}). Training writes checkpoints to its work_dir as epoch_N.pth or '
            'iter_N.pth, and the path of the newest to the file last_checkpoint'
        )
