"""Reading checkpoints without running what is in them, and writing them whole or not at all."""
import os
import re
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from ssd_plugin.engine.user_errors import UserError, check_checkpoint

# Where checkpoints keep the state dict, if they are more than one.
CONTAINERS = ('state_dict', 'model_state_dict', 'model', 'net')
# Classes of the PyTorch tutorial, whose published file is a whole pickled model.
TUTORIAL_CLASSES = {'SSD300', 'VGGBase', 'AuxiliaryConvolutions', 'PredictionConvolutions'}
TUTORIAL_HINT = '''
It looks like the file of the PyTorch tutorial, a whole pickled model. To get its weights out without trusting the file, run this in
a folder with the tutorial's model.py and utils.py; it rebuilds the named classes and refuses everything else:

    import torch, model
    from torch.serialization import safe_globals
    allowed = [model.SSD300, model.VGGBase, model.AuxiliaryConvolutions, model.PredictionConvolutions,
               torch.nn.Conv2d, torch.nn.MaxPool2d, torch.optim.SGD]
    with safe_globals(allowed):
        checkpoint = torch.load('{path}', map_location='cpu', weights_only=True)
    torch.save(checkpoint['model'].state_dict(), 'ssd300_state_dict.pth')

and convert ssd300_state_dict.pth.'''


def read_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """The state dict in a file, with the names that the file has, and its metadata.

    Read with ``weights_only=True``: tensors and plain data, no code. A ``module.`` in front of all names (``DataParallel``) is
    taken off.

    Args:
        path: a ``.pth`` file: a state dict, or a dict with one under ``state_dict``, ``model_state_dict``, ``model`` or ``net``.

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
        raise UserError(_why_unreadable(path, error)) from error
    weights = checkpoint
    if isinstance(checkpoint, dict):
        weights = next((checkpoint[name] for name in CONTAINERS if isinstance(checkpoint.get(name), dict)), checkpoint)
    if not isinstance(weights, dict) or not weights or not all(
            isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        raise UserError(f'{path} has no state dict: expected names with tensors, alone or under {", ".join(CONTAINERS)}; found '
                        f'{_outline(checkpoint)}')
    bad = [name for name, value in weights.items() if value.is_floating_point() and not value.isfinite().all()]
    if bad:
        raise UserError(f'{path} has values that are not finite, in {shortened(bad)}')
    if all(name.startswith('module.') for name in weights):
        weights = {name[len('module.'):]: value for name, value in weights.items()}
    meta = checkpoint.get('meta')
    return dict(weights), meta if isinstance(meta, dict) else {}


def check_target(target: str | Path, source: str | Path) -> None:
    """The file to write must not be the one to read, and its folder must exist.

    Raises:
        UserError: it is, or does not.
    """
    target = Path(target)
    if target.is_dir() or not target.parent.is_dir():
        raise UserError(f'{target} is a folder; name a file' if target.is_dir() else f'there is no folder {target.parent} to write to')
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise UserError(f'{target} is the source itself; write to another file')


def write_checkpoint(checkpoint: dict, path: str | Path) -> None:
    """Write beside the file and rename into place: what is there is whole.

    Raises:
        UserError: it cannot be written.
    """
    path = Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    except OSError as error:
        raise UserError(f'{path} cannot be written: {error.strerror} ({path.parent})') from error
    try:
        with os.fdopen(handle, 'wb') as file:
            torch.save(checkpoint, file)
        # mkstemp's files are for their owner alone.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, (OSError, RuntimeError)):
            raise UserError(f'{path} cannot be written: {error}') from error
        raise


def _why_unreadable(path: str, error: Exception) -> str:
    text = str(error)
    if 'TorchScript' in text:
        return f'{path} is a TorchScript archive, which is code. Load it where it was made and save its state_dict()'
    names = set(re.findall(r'(?:GLOBAL|global|class|function|Callable|callable)[:\s]+([A-Za-z_][\w.]*\.[\w.]+)', text))
    if names or 'Unsupported' in text or 'Weights only load failed' in text and 'unrecognized' in text:
        named = f' ({shortened(sorted(names))})' if names else ''
        hint = TUTORIAL_HINT.format(path=path) if {name.rpartition('.')[2] for name in names} & TUTORIAL_CLASSES else ''
        return (f'{path} is refused: it asks to run code{named}, where weights are just tensors. Nothing of it was run. Where it '
                f'was made, save model.state_dict() instead.{hint}')
    return f'{path} is damaged or no checkpoint: {text.splitlines()[0] if text else type(error).__name__}'


def _outline(value) -> str:
    if isinstance(value, dict):
        return 'a dict with ' + (shortened([f'{name}: {type(item).__name__}' for name, item in value.items()]) or 'nothing')
    return type(value).__name__


def shortened(names: list[str], limit: int = 10) -> str:
    """The first names, and how many more there are."""
    more = f' and {len(names) - limit} more' if len(names) > limit else ''
    return ', '.join(map(str, names[:limit])) + more
