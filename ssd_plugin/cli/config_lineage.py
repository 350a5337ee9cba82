"""Description of a config: the comment at its top, and the configs that it inherits."""

from collections.abc import Iterator
from pathlib import Path

from ssd_plugin.compat import base_files, resolve_config_path


def describe(path: str) -> list[str]:
    """Return the lines that describe a config: its path, the comment at its top, and its bases as an indented tree.

    Args:
        path: Path of the config, or ``PACKAGE::NAME``.
    """
    resolved = resolve_config_path(path)
    lines = [f'recipe: {path}', *(f'  {line}' for line in head(Path(resolved)))]
    bases = list(_bases(resolved, depth=1))
    return [*lines, 'it inherits:', *bases] if bases else lines


def head(path: Path) -> list[str]:
    """Return the lines of the comment at the top of a config without ``#``; empty if it is not a Python file."""
    found = []
    for line in path.read_text(encoding='utf-8').splitlines() if path.suffix == '.py' else ():
        if not line.startswith('#'):
            break
        found.append(line.removeprefix('#').strip())
    return found


def _bases(path: str, depth: int) -> Iterator[str]:
    """Yield the bases of a config as its ``_base_`` writes them, each followed by its own bases, indented further."""
    for base in base_files(path):
        yield '  ' * depth + base
        yield from _bases(resolve_config_path(base, path), depth + 1)
