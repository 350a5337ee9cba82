"""Check of the keys and values of a config by the signatures of the classes that read them."""

import ast
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ssd_plugin.compat import resolve_config_path
from ssd_plugin.configs import RUNNER_KEYS, dotted_settings
from ssd_plugin.errors import UserError, nearest

from .config_sections import Section, registered, sections
from .signatures import accepts, settings_of, wanted

OURS = 'ssd_plugin.'
# Sections whose classes have annotations that MMDetection's own configs do not keep to; data has, too.
_INEXACT = ('model', 'visualizer')
# Similarity above which a name that may be a variable, or an argument that is passed on, is taken for a misspelt key.
MISSPELT = 0.85
# Settings that are often put at the top level, where nothing reads them.
MISPLACED = frozenset(
    {
        'data_root',
        'classes',
        'num_classes',
        'batch_size',
        'num_workers',
        'lr',
        'max_iters',
        'max_epochs',
        'val_interval',
    }
)
# Settings that must be 1 or more; signatures do not say so.
AT_LEAST_ONE = frozenset(
    {'max_iters', 'max_epochs', 'val_interval', 'batch_size', 'base_batch_size', 'window_size', 'accumulative_counts'}
)


def check_sections(cfg: Config, thorough: bool = False) -> None:
    """Check that each section of a config has a known type, keys that its class accepts, and values of their types.

    Args:
        cfg: Complete config.
        thorough: Also check keys and types of the models of other packages, which may be looked up in other ways, and
            therefore explain a failure rather than prove one.

    Raises:
        UserError: One has not; the message names the key, and the nearest name.
    """
    for name, parameter in settings_of(Runner).parameters.items():
        if name in cfg and not accepts(parameter, cfg[name], strict=False):
            raise UserError(f'{name} must be {wanted(parameter)}, got {cfg[name]!r}')
    for section in sections(cfg):
        ours = getattr(section.target, '__module__', '').startswith(OURS)
        # Albumentations' transforms are no transforms of MMDetection.
        foreign = section.key.startswith('model') or '.transforms.' in section.key
        _check_section(section, names=thorough or ours or not foreign)


def _check_section(section: Section, names: bool) -> None:
    """Check a section, and its type and keys only with ``names``."""
    key, settings = section.key, section.settings
    if section.target is None:
        name = str(settings['type'])
        # The packages of other scopes are imported when something is built.
        if names and ('.' not in name or name.split('.')[0] in ('mmdet', 'mmengine', 'mmcv')):
            raise UserError(unregistered(key, name))
        return
    accepted = settings_of(section.target)
    # Sections without a type of their own are read by several functions.
    reader = f' ({section.target.__name__})' if isinstance(section.target, type) else ''
    for name, value in settings.items():
        if name in accepted.parameters and name not in section.implied:
            exact = accepted.modules[name].startswith(OURS) or (
                not key.startswith(_INEXACT) and '_dataloader.' not in key
            )
            if not accepts(accepted.parameters[name], value, strict=exact):
                raise UserError(f'{key}.{name} must be {wanted(accepted.parameters[name])}{reader}, got {value!r}')
            if name in AT_LEAST_ONE and isinstance(value, Real) and value < 1:
                raise UserError(f'{key}.{name} must be 1 or more, got {value!r}')
        elif names and name not in section.implied:
            known = [other for other in (*accepted.parameters, *section.implied) if not other.startswith('_')]
            if not accepted.complete and not get_close_matches(str(name), known, n=1, cutoff=MISSPELT):
                continue
            raise UserError(f'{key} has no key {name!r}{reader}{nearest(str(name), known)}')


def unregistered(key: str, name: str) -> str:
    """Return the message for a type that no registry has."""
    hint = nearest(name.rpartition('.')[2], registered())
    return f'{key}.type={name!r} is not registered{hint or "; import a class of your own with custom_imports"}'


def check_variables(cfg: Config, path: str) -> None:
    """Check that none of the variables that a config sets at its top level is meant as a key.

    It is if its name is almost that of a key; or if it has the name of a setting deeper down that is often misplaced,
    and no such setting has its value.

    Args:
        cfg: Complete config.
        path: Path of the config, of which only the file itself is checked, not its bases.

    Raises:
        UserError: One is; the message names the key.
    """
    for name in _assigned(Path(resolve_config_path(path))):
        if name in RUNNER_KEYS or name not in cfg:
            continue
        keys = [key for key in RUNNER_KEYS if not key.startswith('tta_')]
        close = get_close_matches(name, keys, n=1, cutoff=MISSPELT)
        # A suffix tells a variable from the key that it varies.
        if close and not name.startswith(f'{close[0]}_'):
            raise UserError(f'{path}: nothing reads {name}; did you mean {close[0]}? (--new-keys accepts it)')
        places = {key: value for key, value in dotted_settings(cfg) if key.rpartition('.')[2] == name}
        # None of the settings is a dict, so a dict is a section that the config uses.
        misplaced = name in MISPLACED and not isinstance(cfg[name], dict)
        if misplaced and places and not any(_uses(value, cfg[name]) for value in places.values()):
            key, value = min(places.items(), key=lambda place: len(place[0]))
            raise UserError(
                f'{path}: {name}={cfg[name]!r} has no effect, since {key} is {value!r}. Set {key} where its section '
                f'is, or on the command line with --cfg-options {key}=VALUE (--new-keys accepts it)'
                if name != 'data_root'
                else f'{path}: data_root={cfg[name]!r} has no effect: bases have computed their paths from {value!r} '
                f'already. Set the data_root of each dataset ({key} and others), or give the folder on the command '
                f'line with --cfg-options data_root={cfg[name]}'
            )


def _uses(value: Any, variable: Any) -> bool:
    """Return whether a setting has the value of a variable, or is a path below it."""
    if isinstance(value, str) and isinstance(variable, str):
        return value.startswith(variable)
    sequences = isinstance(value, (list, tuple)) and isinstance(variable, (list, tuple))
    return list(value) == list(variable) if sequences else bool(value == variable)


def _assigned(path: Path) -> Iterator[str]:
    """Yield the names that a config in Python assigns at its top level."""
    if path.suffix != '.py':
        return
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        targets: Sequence[Any] = node.targets if isinstance(node, ast.Assign) else ()
        yield from (target.id for target in targets if isinstance(target, ast.Name))
