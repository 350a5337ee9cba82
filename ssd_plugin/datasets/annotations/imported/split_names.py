"""Splits that the names of folders and files tell."""

import re
from pathlib import Path

NAMES = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}
# What CVAT calls the images without a subset.
NO_SPLIT = ('', 'default')
WORD = re.compile('[a-z]+')


def split_of_name(name: str) -> str | None:
    """Return ``'train'``, ``'val'`` or ``'test'`` for a name that contains one of their names as a word, else ``None``.

    A name with several of them, such as ``train_val``, tells no split.
    """
    found = {NAMES[word] for word in WORD.findall(name.lower()) if word in NAMES}
    return found.pop() if len(found) == 1 else None


def split_of_path(path: Path, root: Path) -> str | None:
    """Return the split that the last folder or file with the name of a split tells, ``None`` if there is none.

    Args:
        path: A file or folder.
        root: Folder of the dataset, whose own name tells nothing.
    """
    parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-1:]
    names = [*parts[:-1], Path(parts[-1]).stem] if parts else []
    return next((split for split in map(split_of_name, reversed(names)) if split), None)


def split_of_subset(subset: str | None) -> str | None:
    """Return the split of a subset that an annotation names, ``None`` if it names none."""
    subset = (subset or '').strip()
    return None if subset.lower() in NO_SPLIT else NAMES.get(subset.lower(), subset)
