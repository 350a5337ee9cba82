"""Names of splits, as the names of files and folders say them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from .folder_dataset import ALL

NAMES = {
    'train': 'train',
    'training': 'train',
    'trainset': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'valset': 'val',
    'dev': 'val',
    'minival': 'val',
    'test': 'test',
    'testing': 'test',
    'testset': 'test',
    'trainval': 'trainval',
}
# Names of lists that hold all images.
WHOLE = ('default', 'all')
ORDER = ('train', 'val', 'test', 'trainval', ALL)
Value = TypeVar('Value')


def split_in(name: str) -> str | None:
    """Return the split that a name says, such as ``'instances_val2017'`` or ``'valid'``; ``None`` for none or two."""
    found = {NAMES[word] for word in re.split('[^a-z]+', name.lower()) if word in NAMES}
    if found == {'train', 'val'}:
        return 'trainval'
    return found.pop() if len(found) == 1 else None


def split_of_path(path: Path, root: Path) -> str | None:
    """Return the split that the folders of a file below a root say, the outermost first; ``None`` if none does."""
    parts = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    return next((split for part in parts if (split := split_in(part))), None)


def by_split(files: Iterable[Path], root: Path) -> dict[str, list[Path]] | None:
    """Return files by the split that their folders say, ``None`` unless those of each file do."""
    found: dict[str, list[Path]] = {}
    for path in files:
        split = split_of_path(path, root)
        if split is None:
            return None
        found.setdefault(split, []).append(path)
    return found


def in_order(splits: Mapping[str, Value]) -> dict[str, Value]:
    """Return splits in the order train, val, test."""
    return {name: splits[name] for name in sorted(splits, key=ORDER.index)}
