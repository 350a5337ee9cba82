"""The keys of a JSON file, from its first bytes alone, by which formats are recognized."""

import re
from functools import lru_cache
from pathlib import Path

from .annotation_files import head

SIZE = 1 << 14
# Keys are told down to this depth: the items of a list count as a level.
DEPTH = 5
# A string, which may be cut at the end of the head, or a bracket, a colon or a comma.
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\]:,]', re.DOTALL)
ITEM = '[]'


def outline(path: Path) -> frozenset[tuple[str, ...]]:
    """Return the keys in the first bytes of a JSON file, each with the keys that lead to it.

    Returns:
        For example ``('[]', 'annotations', '[]', 'label')`` for a list of objects whose ``annotations`` are a list of
        objects with a ``label``; empty if the file is not JSON.
    """
    try:
        status = path.stat()
    except OSError:
        return frozenset()
    return _outline(path, status.st_size, status.st_mtime_ns)


# Each format asks for the outline of each file.
@lru_cache(maxsize=1 << 16)
def _outline(path: Path, size: int, modified: int) -> frozenset[tuple[str, ...]]:
    text = head(path, SIZE).lstrip()
    found: set[tuple[str, ...]] = set()
    if not text.startswith(('{', '[')):
        return frozenset()
    keys: list[str] = []
    string = ''
    for match in TOKEN.finditer(text):
        token = match[0]
        if token in '{[':
            keys.append(ITEM if token == '[' else '')
        elif token in '}]':
            if not keys:
                break
            keys.pop()
        elif token == ':' and keys and keys[-1] != ITEM:
            keys[-1] = string
            if len(keys) <= DEPTH:
                found.add(tuple(keys))
        elif token.startswith('"'):
            string = token[1:-1]
    return frozenset(found)


def has_keys(path: Path, *wanted: tuple[str, ...]) -> bool:
    """Return whether the first bytes of a JSON file have all of the keys, each with the keys that lead to it."""
    found = outline(path)
    return all(keys in found for keys in wanted)
