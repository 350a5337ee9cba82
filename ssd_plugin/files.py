"""Files: written whole or not at all, hashed, and checked before work begins that needs them."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ssd_plugin.errors import UserError

# A file that is being written lies beside its final place under this name.
PART = '.{}.part'
CHUNK = 1 << 20


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, flush it to the disk and rename it into place.

    A reader sees the previous file or the complete new one, whatever interrupts the writer: a signal, a full disk, a power cut.

    Args:
        path: File to write. Its folder must exist.
        write: Receives the open binary file and writes the content.

    Raises:
        OSError: The file cannot be written; nothing is left behind.
    """
    path = Path(path)
    part = path.with_name(PART.format(path.name))
    try:
        with open(part, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def folder_written_atomically(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, and rename it to ``folder`` once the block ends without an error.

    Args:
        folder: Folder to make; its parents are made, too.

    Yields:
        The folder to write to, beside the final one. It is removed if the block fails.

    Raises:
        OSError: It cannot be made or renamed, for example because ``folder`` exists and is not empty.
    """
    part = folder.with_name(PART.format(folder.name))
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def remove_parts(folder: str | Path) -> list[Path]:
    """Remove the unfinished files that killed writers have left in a folder, and return their paths."""
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
    """Return the MD5 sum of a file as hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, 'rb') as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_local(path: str) -> bool:
    """Return whether a path is a local file rather than an address such as ``http://`` or ``torchvision://``."""
    return '://' not in path


def check_target(path: Path) -> None:
    """Check that a file can be written: its folder exists, and it is not a folder itself.

    Raises:
        UserError: It cannot.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(
            f'{path} is a folder; name a file' if path.is_dir() else f'there is no folder {path.parent} to write to'
        )


def check_checkpoint(path: str | None, option: str) -> None:
    """Check that a checkpoint given by path exists.

    Args:
        path: Path of the file. Addresses (``http://``, ``torchvision://``) and ``None`` are left to the loader.
        option: Where the user gave it, for the message.

    Raises:
        UserError: There is no such file.
    """
    if path and is_local(path) and not os.path.isfile(path):
        raise UserError(
            f'there is no checkpoint {path} ({option}). Training writes checkpoints to its work_dir as epoch_N.pth or '
            'iter_N.pth, and the path of the newest to last_checkpoint'
        )
