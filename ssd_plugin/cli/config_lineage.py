"""Which recipe a config is, in words: the comment at its head, and what it inherits."""

from pathlib import Path

from ssd_plugin.compat import base_files, resolve_config_path


def describe(path: str) -> list[str]:
    """Lines for people: the config, its head, and its bases below it, each further in than what inherits it.

    Args:
        path: of the config, or ``PACKAGE::NAME``.
    """
    resolved = resolve_config_path(path)
    lines = [f'recipe: {path}', *(f'  {line}' for line in head(Path(resolved))), 'it inherits:']
    bases = list(_bases(resolved, 1))
    return lines + bases if bases else lines[:-1]


def head(path: Path) -> list[str]:
    """The comment that a config begins with, without its signs; nothing where there is none, or the file is no Python."""
    found = []
    for line in path.read_text(encoding='utf-8').splitlines() if path.suffix == '.py' else ():
        if not line.startswith('#'):
            break
        found.append(line.removeprefix('#').strip())
    return found


def _bases(path: str, depth: int):
    for base in base_files(path):
        resolved = resolve_config_path(base, path)
        # Relative to who inherits it, as written there.
        yield '  ' * depth + base
        yield from _bases(resolved, depth + 1)
