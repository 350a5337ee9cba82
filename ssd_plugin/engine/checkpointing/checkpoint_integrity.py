"""Which checkpoint of a work dir can be trusted to go on from."""

import pickle
import re
import zipfile
from pathlib import Path

import torch

NEEDED = ('meta', 'state_dict', 'optimizer', 'message_hub')


def why_not_whole(path: str | Path) -> str | None:
    """What is wrong with a checkpoint to resume from; ``None`` if nothing is.

    A checkpoint is a zip archive with the sizes and checksums of its parts, which are compared. It is read by PyTorch's safe reader, which
    runs no code.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            return 'it is empty'
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            return f'it is damaged: the checksum of {damaged} in it is wrong'
        content = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except zipfile.BadZipFile:
        return 'it is cut off, damaged or no checkpoint'
    except pickle.UnpicklingError as error:
        foreign = what_could_run(str(error))
        return f'it holds more than weights and could run code ({foreign})' if foreign else 'it is no checkpoint'
    except (OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
        return f'it cannot be read: {str(error).splitlines()[0]}'
    missing = [key for key in NEEDED if not isinstance(content, dict) or key not in content]
    return f'it holds no state to resume from: {", ".join(missing)} missing' if missing else None


def what_could_run(message: str) -> str | None:
    """From the message of PyTorch's safe reader, what it refused to build; ``None`` if the file is merely damaged."""
    found = re.search(r'unsupported (global|class|operand)[^\n]*', message, re.IGNORECASE)
    return found.group().rstrip('.') if found else None


def newest_whole(folder: str | Path) -> tuple[str | None, list[str]]:
    """The checkpoint to resume from: the one that ``last_checkpoint`` names, or of the others the newest that is whole.

    Returns:
        its path, ``None`` where there is none, and a line for each that was passed over, with the reason.
    """
    folder = Path(folder)
    found = sorted(
        (path for path in folder.glob('*.pth') if re.fullmatch(r'(iter|epoch)_\d+', path.stem)), key=_age, reverse=True
    )
    note = folder / 'last_checkpoint'
    named = folder / Path(note.read_text(encoding='utf-8', errors='replace').strip()).name if note.is_file() else None
    if named in found:
        found.remove(named)
        found.insert(0, named)
    notes = []
    for path in found:
        reason = why_not_whole(path)
        if reason is None:
            return str(path), notes
        notes.append(f'{path} is passed over: {reason}')
    return None, notes


def _age(path: Path) -> tuple[int, int]:
    return path.stat().st_mtime_ns, int(path.stem.split('_')[1])
