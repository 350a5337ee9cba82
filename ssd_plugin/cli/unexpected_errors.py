"""Errors that no check foresaw, as one line; their traceback goes to a file."""

import inspect
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger

from ssd_plugin.errors import UserError, first_line

from .config_sections import sections

# Parts that contain others, where an error says little about their own settings.
_CONTAINERS = ('model', 'train_cfg', 'val_cfg', 'test_cfg', 'train_dataloader', 'val_dataloader', 'test_dataloader')


def describe_unexpected(error: BaseException, cfg: Config | None = None) -> str:
    """Return one line for an error: its type and message, and the part of the config in which it was raised.

    Args:
        error: The error. That of a dataloader's worker has a traceback as its message.
        cfg: Config of the run, if there is one.
    """
    text, name = first_line(error), type(error).__name__
    if 'Original Traceback' in str(error):
        last = str(error).strip().splitlines()[-1]
        name, _, text = last.partition(': ')
    message = f'{name}: {text}' if text != name else name
    key = next(_places(error, cfg), None) if cfg is not None else None
    return f'{key}: {message}' if key else message


def _places(error: BaseException, cfg: Config) -> Iterator[str]:
    """Yield the keys of the parts of the config in whose code an error was raised, innermost first."""
    keys: dict[Any, list[str]] = {}
    for section in sections(cfg):
        if section.target and section.key not in _CONTAINERS:
            keys.setdefault(section.target, []).append(section.key)

    def place(target: Any) -> str:
        return f'{" or ".join(keys[target])} ({getattr(target, "__name__", target)})'

    for file in reversed(re.findall(r'File "([^"]+)", line', str(error))):
        yield from (place(target) for target in keys if _file_of(target) == file)
    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        owner = frame.f_locals.get('self')
        yield from (place(base) for base in type(owner).__mro__ if owner is not None and base in keys)


def _file_of(target: object) -> str | None:
    try:
        return inspect.getsourcefile(target)  # type: ignore[arg-type]
    except TypeError:
        return None


def record_traceback(error: BaseException) -> str:
    """Write the traceback of an error to the log file of the run, or to a temporary file, and return the path."""
    lines = ''.join(traceback.format_exception(type(error), error, error.__traceback__))
    path = MMLogger.get_current_instance().log_file
    if path is None or not os.path.isfile(path):
        handle, path = tempfile.mkstemp(prefix='ssd_plugin_', suffix='.log')
        os.close(handle)
    with open(path, 'a', encoding='utf-8') as file:
        file.write(lines)
    return path


def unexpected(error: BaseException, cfg: Config | None = None) -> UserError:
    """Return an error of one line in place of one that no check foresaw, whose traceback is written to a file."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    if isinstance(error, ValueError) and frame.f_globals.get('__name__', '').startswith('ssd_plugin.'):
        # Its message names the setting and the remedy.
        return UserError(next((f'{key}: {error}' for key in _places(error, cfg)), str(error)) if cfg else str(error))
    try:
        where = f'The traceback is in {record_traceback(error)}'
    except OSError as failed:
        where = f'The traceback cannot be written to a file: {failed.strerror}'
    return UserError(f'{describe_unexpected(error, cfg)}. {where}')
