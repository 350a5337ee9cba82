"""Safe reading of checkpoints, without running code in them, and atomic writing."""

import io
import os
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ssd_plugin.errors import UserError
from ssd_plugin.files import check_checkpoint, check_target, write_atomically

from .pickled_models import read_whole_model

# Keys of the state dict in checkpoints that hold more than that.
CONTAINERS = ('state_dict', 'model_state_dict', 'model', 'net')
# Prefixes of the names that a pickle of tensors refers to.
HARMLESS = ('torch.', 'collections.OrderedDict', 'numpy.')


def read_checkpoint(path: str | Path, whole_model: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state dict in a file, with the parameter names of the file, and its metadata.

    The file is read with ``weights_only=True``, which admits tensors and plain data but no code. The prefix ``module.``
    of ``DataParallel`` is removed if all names have it.

    Args:
        path: A ``.pth`` file: a state dict, or a dict with one under ``state_dict``, ``model_state_dict``, ``model`` or
            ``net``.
        whole_model: Whether to extract the tensors of a model that was pickled whole. No code in the file is run then,
            either.

    Returns:
        The state dict, and the value under ``meta``, which is ``{}`` if the file has none.

    Raises:
        UserError: The file is missing, damaged or not a checkpoint, or it contains code to run.
    """
    path = os.fspath(path)
    check_checkpoint(path, 'source')
    try:
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # a damaged file can raise any error
        if not whole_model or 'TorchScript' in str(error):
            raise UserError(_why_unreadable(path, error)) from error
        try:
            checkpoint = read_whole_model(path)
        except Exception as inner:
            raise UserError(f'{path} is damaged or not a checkpoint: {_first_line(inner)}') from inner
    weights = checkpoint
    if isinstance(checkpoint, dict):
        weights = next((checkpoint[name] for name in CONTAINERS if isinstance(checkpoint.get(name), dict)), checkpoint)
    if (
        not isinstance(weights, dict)
        or not weights
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items())
    ):
        raise UserError(
            f'{path} has no state dict: expected tensors by name, at the top level or under {", ".join(CONTAINERS)}; '
            f'found {_outline(checkpoint)}'
        )
    nonfinite = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if nonfinite:
        raise UserError(f'{path} has values that are not finite, in {shortened(nonfinite)}')
    if all(name.startswith('module.') for name in weights):
        weights = {name[len('module.') :]: value for name, value in weights.items()}
    meta = checkpoint.get('meta')
    return dict(weights), meta if isinstance(meta, dict) else {}


def check_copy(target: str | Path, source: str | Path) -> None:
    """Check that a converted checkpoint can be written.

    Args:
        target: File to write.
        source: Checkpoint to read.

    Raises:
        UserError: The target is a folder, its folder does not exist, or it is the source itself.
    """
    target = Path(target)
    check_target(target)
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise UserError(f'{target} is the source itself; name another file to write to')


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Write a checkpoint atomically: the file is either complete or unchanged.

    Args:
        checkpoint: Content to save.
        path: File to write.

    Raises:
        UserError: The file cannot be written.
    """
    path = Path(path)
    try:
        write_atomically(path, lambda file: torch.save(checkpoint, file))
    except (OSError, RuntimeError) as error:
        raise UserError(f'{path} cannot be written: {error}') from error


def _why_unreadable(path: str, error: Exception) -> str:
    """Return the reason that ``torch.load`` refused a file, with a remedy."""
    if 'TorchScript' in str(error):
        return f'{path} is a TorchScript archive, which is code. Load it where it was made and save its state_dict()'
    names = [name for name in named_globals(path) if not name.startswith(HARMLESS)]
    if names:
        return (
            f'{path} is refused: it asks to run code ({shortened(names)}), which weights do not need. Nothing in it '
            "was run. If it is a whole pickled model, like the PyTorch tutorial's, --whole-model extracts its tensors, "
            'again without running anything; or save model.state_dict() where the file was made'
        )
    return f'{path} is damaged or not a checkpoint: {_first_line(error)}'


def named_globals(path: str) -> list[str]:
    """Return the classes and functions that a pickle refers to, as ``module.name``.

    They are read from the opcodes, without executing any.

    Args:
        path: A file written by ``torch.save`` in either of its formats, or any other pickle.
    """
    found: dict[str, bool] = {}
    strings: list[str] = []
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content = b''.join(archive.read(name) for name in archive.namelist() if name.endswith('data.pkl'))
        else:
            content = Path(path).read_bytes()
        stream = io.BytesIO(content)
        # The old format is a series of pickles, followed by the tensors.
        while stream.tell() < len(content):
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in ('GLOBAL', 'INST'):
                    found[str(argument).replace(' ', '.')] = True
                elif opcode.name == 'STACK_GLOBAL':
                    found['.'.join(strings[-2:])] = True
                elif isinstance(argument, str):
                    strings.append(argument)
    except Exception:  # the pickles end here, or the archive is damaged
        pass
    return list(found)


def _first_line(error: Exception) -> str:
    """Return the first line of the message of an error, or its type if it has none."""
    if isinstance(error, pickle.UnpicklingError):
        # PyTorch's own message advises to turn the safe reader off.
        return 'it was not written by torch.save, or is truncated'
    return (str(error).splitlines() or [''])[0] or type(error).__name__


def _outline(value: object) -> str:
    """Return a short description of the content of a file."""
    if isinstance(value, dict):
        return 'a dict with ' + (
            shortened([f'{name}: {type(item).__name__}' for name, item in value.items()]) or 'nothing'
        )
    return type(value).__name__


def shortened(names: list[str], limit: int = 10) -> str:
    """Return the first names as text, with the number of the others.

    Args:
        names: Names to list.
        limit: Number of names to list at most.
    """
    more = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(map(str, names[:limit])) + more
