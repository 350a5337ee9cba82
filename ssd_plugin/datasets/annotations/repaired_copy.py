"""Paths and links in the repaired copy of a dataset folder."""

import os
from collections.abc import Iterable
from pathlib import Path


def copy_of(path: Path, root: Path, target: Path) -> Path:
    """Return the path below ``target`` that corresponds to ``path`` below ``root``, and make its folder."""
    # A config may name a list elsewhere.
    copy = target / (path.relative_to(root) if path.is_relative_to(root) else path.name)
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy


def link_images(images: Iterable[Path], root: Path, target: Path) -> None:
    """Link image files into the copy, each by itself: its folder may hold annotations, too."""
    for image in images:
        link = copy_of(image, root, target)
        if not os.path.lexists(link):
            link.symlink_to(image.resolve())
