"""Weights of a classifier for a backbone: reading files of others, and assigning their tensors by name or by order."""

import pickle
from collections.abc import Mapping
from typing import NamedTuple

from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from ssd_plugin.errors import UserError, first_line

# Fraction of the backbone's tensors below which a file is taken for weights of another network. Of a ResNet-50's, two
# thirds have the names and shapes of a ResNet-18's.
LEAST = 0.9
# Tensors that a message lists.
LISTED = 3
# Where training scripts keep the weights inside a checkpoint, the moving average first.
_INNER = ('state_dict_ema', 'model_ema', 'state_dict', 'model_state_dict', 'model')
_COUNTER = 'num_batches_tracked'


class Assignment(NamedTuple):
    """Tensors of a file for those of a module.

    Attributes:
        tensors: Tensor of the file by name of the module.
        missing: Names of the module that have none, without counters of batches.
        how: How they were assigned.
    """

    tensors: dict[str, Tensor]
    missing: list[str]
    how: str


def read_weights(path: str) -> dict[str, Tensor]:
    """Return the tensors of a file with weights; no code in it is run.

    Args:
        path: A ``.safetensors`` file, or one of ``torch.save`` that holds a state dict or a checkpoint around it; also
            what MMEngine loads, such as a URL or ``torchvision://resnet18``.

    Raises:
        UserError: It cannot be read, or holds no tensors.
    """
    try:
        if path.endswith('.safetensors'):
            from safetensors.torch import load_file

            content = load_file(path)
        else:
            content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except ImportError as error:
        raise UserError(
            f'{path} needs safetensors, which cannot be imported ({error}): pip install safetensors'
        ) from error
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise UserError(f'the weights {path} cannot be read: {first_line(error)}') from error
    # The reader of safetensors has an error of its own, which is no subclass of these.
    except Exception as error:
        raise UserError(f'{path} is no file of weights: {first_line(error)}') from error
    for key in _INNER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    found = {}
    if isinstance(content, Mapping):
        found = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not found:
        raise UserError(f'{path} holds no weights: it must be a state dict, or a checkpoint with one')
    return found


def load_weights(module: nn.Module, given: Mapping[str, Tensor], source: str, name: str) -> None:
    """Load weights into a module, and log what was taken.

    Args:
        module: Module to fill.
        given: Tensors by the names of their source.
        source: Where they are from, for the log.
        name: What the module is called there.

    Raises:
        UserError: Less than nine tenths of the module fit.
    """
    wanted = module.state_dict()
    found = assign(given, wanted)
    total = len(found.tensors) + len(found.missing)
    rest = ', '.join(found.missing[:LISTED]) + (', ...' if len(found.missing) > LISTED else '')
    if len(found.tensors) < LEAST * total:
        raise UserError(
            f'{source} has weights of another network: {len(found.tensors)} of {total} tensors of {name} fit, not '
            f'{rest}. Its first tensor is {next(iter(given))}, {_shape(next(iter(given.values())))}'
        )
    module.load_state_dict(found.tensors, strict=False)
    line = f'{name}: {len(found.tensors)} of {total} tensors are taken from {source} ({found.how})'
    if found.missing:
        line += f'; these start at random: {rest}'
    if len(given) > len(found.tensors):
        line += f'; {len(given) - len(found.tensors)} of the file are not used'
    print_log(line, 'current')


def assign(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Assignment:
    """Assign tensors of a file to those of a module.

    By name where all names and shapes agree, whatever prefix the file's have, with dots or underscores. Otherwise in
    their order, if the first tensors of the file have the shapes of the module's, one by one, and are of the same kind
    (``weight``, ``running_mean`` ...). Otherwise by name as far as they agree.

    Args:
        given: Tensors of the file.
        wanted: State dict of the module.
    """
    named = _by_name(given, wanted)
    missing = [name for name in wanted if name not in named and not name.endswith(_COUNTER)]
    if missing:
        # Files older than torch 0.4.1 have no counters.
        for drop in ((), (_COUNTER,)):
            ordered = _in_order(_without(given, drop), _without(wanted, drop))
            if ordered:
                return Assignment(ordered, [], 'in order')
    return Assignment(named, missing, 'by name')


def _by_name(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file whose names, behind a prefix, and shapes are those of the module."""
    theirs = {_canonical(name): value for name, value in given.items()}
    ours = {name: _canonical(name) for name in wanted}
    # The module may be a wrapper itself, whose prefix the file does not have.
    for wrapper in ('', 'model_'):
        if all(key.startswith(wrapper) for key in ours.values()):
            ours = {name: key.removeprefix(wrapper) for name, key in ours.items()}
    first = next(iter(ours.values()))
    best: dict[str, Tensor] = {}
    for prefix in {'', *(key.removesuffix(first) for key in theirs if key.endswith(first))}:
        found = {
            name: theirs[prefix + key]
            for name, key in ours.items()
            if prefix + key in theirs and theirs[prefix + key].shape == wanted[name].shape
        }
        best = max(best, found, key=len)
    return best


def _in_order(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the first tensors of a file by the names of the module; nothing if one does not fit."""
    pairs = list(zip(wanted.items(), given.items()))
    fits = len(given) >= len(wanted) and all(
        ours.shape == theirs.shape and name.rpartition('.')[2] == other.rpartition('.')[2]
        for (name, ours), (other, theirs) in pairs
    )
    return {name: theirs for (name, _), (_, theirs) in pairs} if fits else {}


def _without(tensors: Mapping[str, Tensor], endings: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if not name.endswith(endings)}


def _canonical(name: str) -> str:
    """Return the name of a tensor as timm's feature models, which flatten modules, and others write it."""
    return name.replace('.', '_')


def _shape(value: Tensor) -> str:
    return 'x'.join(map(str, value.shape)) or 'a scalar'
