"""Extraction of the tensors of a model that was pickled whole, without running code in the file.

A pickle names classes and functions to call. Here each of them is replaced by :class:`Inert`, except for the few that
rebuild tensors (``pickle.Unpickler.find_class``; Python documentation, "Restricting Globals"). PyTorch modules keep
their content in plain dictionaries, so nothing else is needed to read their tensors.
"""

import pickle
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, Any

import torch
from torch import Tensor

STORAGES = (
    torch.FloatStorage,
    torch.DoubleStorage,
    torch.HalfStorage,
    torch.BFloat16Storage,
    torch.LongStorage,
    torch.IntStorage,
    torch.ShortStorage,
    torch.CharStorage,
    torch.ByteStorage,
    torch.BoolStorage,
)
REBUILDING: dict[tuple[str, str], Any] = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor'): torch._utils._rebuild_tensor,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch._utils', '_rebuild_parameter'): torch._utils._rebuild_parameter,
    ('torch', 'Size'): torch.Size,
    **{('torch', storage.__name__): storage for storage in STORAGES},
}


class Inert:
    """Substitute for a class or function that a pickle names; it keeps the attributes it is given and does nothing."""

    # torch.load reads this before it compares the source of a class with the one in the file.
    dump_patches = False

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __call__(self, *args: object, **kwargs: object) -> 'Inert':
        """Return itself; the pickle calls the classes and functions that it names."""
        return self

    def __setitem__(self, key: object, value: object) -> None:
        pass

    append = extend = add = __call__


class _Unpickler(pickle.Unpickler):
    """Unpickler that knows only the classes that rebuild tensors."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the substitute for a class or function that the pickle names."""
        return REBUILDING.get((module, name), Inert)


class _InertPickle:
    """Replacement of the module ``pickle`` in the form that ``torch.load`` takes as its ``pickle_module``."""

    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: IO[bytes], **options: Any) -> Any:
        """Return the object in a file, without running code in it."""
        return _Unpickler(file, **options).load()


def read_whole_model(path: str) -> dict[str, Tensor]:
    """Return the state dict of a pickled model: the content of the file, or a value of the dict in it.

    Args:
        path: File written by ``torch.save`` in either of its formats.

    Returns:
        Names and tensors as ``model.state_dict()`` would give them; empty if the file has no model.
    """
    with warnings.catch_warnings():
        # Files in the old format contain the source of their classes, which differs from that of Inert.
        warnings.simplefilter('ignore')
        content = torch.load(path, map_location='cpu', pickle_module=_InertPickle, weights_only=False)
    for candidate in [content, *(content.values() if isinstance(content, dict) else ())]:
        state = dict(_parameters(candidate))
        if state:
            return state
    return {}


def _parameters(module: object, prefix: str = '') -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a module and, in order, of its children."""
    attributes = vars(module) if isinstance(module, Inert) else {}
    for kind in ('_parameters', '_buffers'):
        for name, value in (attributes.get(kind) or {}).items():
            if isinstance(value, Tensor):
                yield prefix + name, value.detach()
    for name, child in (attributes.get('_modules') or {}).items():
        yield from _parameters(child, f'{prefix}{name}.')
