"""Checks of checkpoints before resuming."""

import pickle
import re
import zipfile
from pathlib import Path

import torch

# Keys that MMEngine reads from a checkpoint when it resumes.
REQUIRED_KEYS = ('meta', 'state_dict', 'optimizer', 'message_hub')


def why_not_resumable(path: str | Path) -> str | None:
    """Return the reason that a run cannot resume from a checkpoint, or ``None`` if it is intact.

    A checkpoint is a zip archive, which holds a checksum of each of its parts; they are verified. The file is read by
    PyTorch's safe reader, which runs no code.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            return 'it is empty'
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            return f'it is damaged: the checksum of its part {damaged} is wrong'
        content = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except zipfile.BadZipFile:
        return 'it is truncated, damaged or not a checkpoint'
    except pickle.UnpicklingError as error:
        code = refused_code(str(error))
        return f'it holds more than weights and could run code ({code})' if code else 'it is not a checkpoint'
    except (OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
        return f'it cannot be read: {str(error).splitlines()[0]}'
    missing = [key for key in REQUIRED_KEYS if not isinstance(content, dict) or key not in content]
    return f'it holds no state to resume from: {", ".join(missing)} missing' if missing else None


def refused_code(message: str) -> str | None:
    """Return the code that PyTorch's safe reader refused to run.

    Args:
        message: Text of its error.

    Returns:
        The part of the message that names the code; ``None`` if the file is merely damaged.
    """
    found = re.search(r'unsupported (global|class|operand)[^\n]*', message, re.IGNORECASE)
    return found.group().rstrip('.') if found else None


def newest_resumable(folder: str | Path) -> tuple[str | None, list[str]]:
    """Find the checkpoint of a work directory to resume from.

    This is the checkpoint named in the file ``last_checkpoint`` if it is intact, otherwise the newest intact one.

    Returns:
        The path of the checkpoint, ``None`` if there is none, and a line for each damaged one that was skipped, with
        the reason.
    """
    folder = Path(folder)
    candidates = sorted(
        (path for path in folder.glob('*.pth') if re.fullmatch(r'(iter|epoch)_\d+', path.stem)),
        key=_age,
        reverse=True,
    )
    pointer = folder / 'last_checkpoint'
    if pointer.is_file():
        # Only the file name counts, since the folder may have been moved.
        named = folder / Path(pointer.read_text(encoding='utf-8', errors='replace').strip()).name
        if named in candidates:
            candidates.remove(named)
            candidates.insert(0, named)
    skipped = []
    for path in candidates:
        reason = why_not_resumable(path)
        if reason is None:
            return str(path), skipped
        skipped.append(f'{path} is skipped: {reason}')
    return None, skipped


def _age(path: Path) -> tuple[int, int]:
    """Return a sort key: the time of the last change, then the number of the iteration or epoch."""
    return path.stat().st_mtime_ns, int(path.stem.split('_')[1])
