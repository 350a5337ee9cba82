"""Reading checkpoints without running what is in them, and writing them whole or not at all."""

import io
import os
import pickle
import pickletools
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint, check_target, write_atomically

from .pickled_models import read_whole_model

# Where checkpoints keep the state dict, if they are more than one.
CONTAINERS = ('state_dict', 'model_state_dict', 'model', 'net')
# What a pickle of tensors names.
HARMLESS = ('torch.', 'collections.OrderedDict', 'numpy.')


def read_checkpoint(path: str | Path, whole_model: bool = False) -> tuple[dict[str, Tensor], dict]:
    """The state dict in a file, with the names that the file has, and its metadata.

    Read with ``weights_only=True``: tensors and plain data, no code. A ``module.`` in front of all names (``DataParallel``) is
    taken off.

    Args:
        path: a ``.pth`` file: a state dict, or a dict with one under ``state_dict``, ``model_state_dict``, ``model`` or ``net``.
        whole_model: for a model that was pickled whole, take out its tensors; nothing that the file asks for is run then either.

    Returns:
        State dict, and what stands under ``meta``, ``{}`` if nothing.

    Raises:
        UserError: no such file, damaged, no checkpoint, or one that asks to run code.
    """
    path = os.fspath(path)
    check_checkpoint(path, 'source')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # noqa: BLE001 - a file can be wrong in any way
        if not whole_model or 'TorchScript' in str(error):
            raise UserError(_why_unreadable(path, error)) from error
        try:
            checkpoint = read_whole_model(path)
        except Exception as inner:  # noqa: BLE001
            raise UserError(f'{path} is damaged or no checkpoint: {_first_line(inner)}') from inner
    weights = checkpoint
    if isinstance(checkpoint, dict):
        weights = next((checkpoint[name] for name in CONTAINERS if isinstance(checkpoint.get(name), dict)), checkpoint)
    if (
        not isinstance(weights, dict)
        or not weights
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items())
    ):
        raise UserError(
            f'{path} has no state dict: expected names with tensors, alone or under {", ".join(CONTAINERS)}; found '
            f'{_outline(checkpoint)}'
        )
    bad = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise UserError(f'{path} has values that are not finite, in {shortened(bad)}')
    if all(name.startswith('module.') for name in weights):
        weights = {name[len('module.') :]: value for name, value in weights.items()}
    meta = checkpoint.get('meta')
    return dict(weights), meta if isinstance(meta, dict) else {}


def check_copy(target: str | Path, source: str | Path) -> None:
    """The file to write must not be the one to read, and its folder must exist.

    Raises:
        UserError: it is, or does not.
    """
    target = Path(target)
    check_target(target)
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise UserError(f'{target} is the source itself; write to another file')


def write_checkpoint(checkpoint: dict, path: str | Path) -> None:
    """Write beside the file and rename into place: what is there is whole.

    Raises:
        UserError: it cannot be written.
    """
    path = Path(path)
    try:
        write_atomically(path, lambda file: torch.save(checkpoint, file))
    except (OSError, RuntimeError) as error:
        raise UserError(f'{path} cannot be written: {error}') from error


def _why_unreadable(path: str, error: Exception) -> str:
    if 'TorchScript' in str(error):
        return f'{path} is a TorchScript archive, which is code. Load it where it was made and save its state_dict()'
    names = [name for name in named_globals(path) if not name.startswith(HARMLESS)]
    if names:
        return (
            f'{path} is refused: it asks to run code ({shortened(names)}), where weights are just tensors. Nothing of it was '
            "run. If it is a model that was pickled whole, as the PyTorch tutorial's is, --whole-model takes its tensors out, "
            'again without running anything; or save model.state_dict() where it was made'
        )
    return f'{path} is damaged or no checkpoint: {_first_line(error)}'


def named_globals(path: str) -> list[str]:
    """Classes and functions that a pickle names, ``module.name``, read from its opcodes without running them."""
    found, strings = {}, []
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = b''.join(archive.read(name) for name in archive.namelist() if name.endswith('data.pkl'))
        else:
            content = Path(path).read_bytes()
        stream = io.BytesIO(content)
        # The old format is several pickles, one after the other, and then the tensors.
        while stream.tell() < len(content):
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ('GLOBAL', 'INST'):
                    found[argument.replace(' ', '.')] = True
                elif opcode.name == 'STACK_GLOBAL':
                    found['.'.join(strings[-2:])] = True
                elif isinstance(argument, str):
                    strings.append(argument)
    except Exception:  # noqa: BLE001 - here the pickles end, or the archive is damaged
        pass
    return list(found)


def _first_line(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):
        # torch's own text here is advice to switch the safe reader off.
        return 'not written by torch.save, or cut off'
    return (str(error).splitlines() or [''])[0] or type(error).__name__


def _outline(value) -> str:
    if isinstance(value, dict):
        return 'a dict with ' + (
            shortened([f'{name}: {type(item).__name__}' for name, item in value.items()]) or 'nothing'
        )
    return type(value).__name__


def shortened(names: list[str], limit: int = 10) -> str:
    """The first names, and how many more there are."""
    more = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(map(str, names[:limit])) + more
