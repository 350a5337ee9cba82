"""The state dict of a model that was pickled whole, without running anything that the file asks for.

Pickles name classes and functions to call. Here all of them are replaced by :class:`Inert`, but for the few that rebuild tensors
(``pickle.Unpickler.find_class``, Python documentation, "Restricting Globals"). What a module of PyTorch holds is in plain
dictionaries, so nothing else is needed to read its tensors.
"""

import pickle
import warnings
from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor

REBUILDING = {
    ('collections', 'OrderedDict'): OrderedDict,
    ('torch._utils', '_rebuild_tensor'): torch._utils._rebuild_tensor,
    ('torch._utils', '_rebuild_tensor_v2'): torch._utils._rebuild_tensor_v2,
    ('torch._utils', '_rebuild_parameter'): torch._utils._rebuild_parameter,
    ('torch', 'Size'): torch.Size,
    **{
        ('torch', f'{kind}Storage'): getattr(torch, f'{kind}Storage')
        for kind in ('Float', 'Double', 'Half', 'BFloat16', 'Long', 'Int', 'Short', 'Char', 'Byte', 'Bool')
    },
}


class Inert:
    """Stands for whatever a file names. Made, called or filled, it does nothing but keep its attributes."""

    # torch.load asks whether to write the changes in a class's source next to it.
    dump_patches = False

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __call__(self, *args, **kwargs) -> 'Inert':
        return self

    def __setitem__(self, key, value) -> None:
        pass

    append = extend = add = __call__


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        return REBUILDING.get((module, name), Inert)


class _InertPickle:
    """What ``torch.load`` takes for its ``pickle_module``."""

    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file, **options):
        return _Unpickler(file, **options).load()


def read_whole_model(path: str) -> dict[str, Tensor]:
    """The state dict of the model in a file: the file's one object, or one in its dict.

    Args:
        path: written by ``torch.save`` in either of its formats.

    Returns:
        Names and tensors as ``model.state_dict()`` would give them; empty if there is no model.
    """
    with warnings.catch_warnings():
        # The old format has the classes' source with it, which is not that of Inert.
        warnings.simplefilter('ignore')
        content = torch.load(path, map_location='cpu', pickle_module=_InertPickle, weights_only=False)
    for candidate in [content, *(content.values() if isinstance(content, dict) else ())]:
        state = dict(_parameters(candidate))
        if state:
            return state
    return {}


def _parameters(module, prefix: str = '') -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a module and, in order, of its children."""
    kept = getattr(module, '__dict__', {}) if isinstance(module, Inert) else {}
    for kind in ('_parameters', '_buffers'):
        for name, value in (kept.get(kind) or {}).items():
            if isinstance(value, Tensor):
                yield prefix + name, value.detach()
    for name, child in (kept.get('_modules') or {}).items():
        yield from _parameters(child, f'{prefix}{name}.')
