"""Image files of a folder."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

# Formats that OpenCV reads, GIF since 4.11. Of several files with the same stem, the one whose suffix comes first is
# used.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.gif')
# Folders of masks, which have the names of the images that they belong to.
MASKS = re.compile('segmentation.*|(.*[_-])?masks?|trimaps', re.IGNORECASE)


def is_image(path: Path) -> bool:
    """Return whether a file is an image by its suffix or, with another suffix or none, by its first bytes."""
    return path.suffix.lower() in SUFFIXES or (path.is_file() and cv2.haveImageReader(str(path)))


def walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk through a folder like ``os.walk``, also through links, but into no folder twice."""
    seen = {os.path.realpath(folder)}
    for path, folders, files in os.walk(folder, followlinks=True):
        new = [name for name in folders if os.path.realpath(os.path.join(path, name)) not in seen]
        seen.update(os.path.realpath(os.path.join(path, name)) for name in new)
        folders[:] = new
        yield path, folders, files


def read_reduced(path: Path, flags: int) -> np.ndarray | None:
    """Decode an image file at reduced resolution, ``None`` if it cannot be read.

    Args:
        path: The file. OpenCV opens no file whose name is not valid in UTF-8, so its content is passed instead.
        flags: OpenCV's flags of ``imdecode``.
    """
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    return cv2.imdecode(data, flags) if len(data) else None


def images_below(folder: Path) -> list[Path]:
    """Return the image files in a folder at any depth, sorted, without hidden files and masks."""
    found = []
    for path, folders, files in walk(folder):
        folders[:] = [name for name in folders if not name.startswith('.') and not MASKS.fullmatch(name)]
        found += [
            Path(path, name)
            for name in files
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith('.')
        ]
    return sorted(found)


class ImageFinder:
    """Finds the image file of an annotation by its stem, in a folder at any depth.

    Of several files with the stem, that one is taken whose path in the folder is the name of the image; then one in
    the folder of the annotation; then in the nearest folder, a folder with the same subfolders first; then by suffix.

    Args:
        folder: The folder. One that is not local has no files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in images_below(folder):
            self.by_stem[path.stem].append(path)

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        """The files by stem, and by name, in lower case."""
        found = defaultdict(list)
        for paths in self.by_stem.values():
            for path in paths:
                found[path.stem.lower()].append(path)
                found[path.name.lower()].append(path)
        return found

    def find(self, name: str, annotation: Path) -> Path | None:
        """Return the file of an image, ``None`` if there is none.

        Args:
            name: Name of the image as a list has it, without its suffix, perhaps with folders.
            annotation: Its annotation file.
        """
        stem = annotation.stem
        candidates = self.by_stem.get(stem) or self.by_name.get(stem.lower())
        if not candidates:
            return None
        if len(candidates) == 1:
            return candidates[0]
        return min(candidates, key=lambda path: self._distance(path, name, annotation.parent))

    def _distance(self, path: Path, name: str, folder: Path) -> tuple:
        """Return a key by which candidates are compared."""
        ours, theirs = path.parent.parts, folder.parts
        return (
            str(path.relative_to(self.folder).with_suffix('')) != name,
            path.parent != folder,
            -_equal(ours, theirs),
            -_equal(ours[::-1], theirs[::-1]),
            SUFFIXES.index(path.suffix.lower()),
            path,
        )


def _equal(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the number of parts with which both begin."""
    return next((index for index, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))


def files_by_stem(folder: Path) -> dict[str, str]:
    """Return the names of the image files in a folder by stem; empty if it is not a local folder."""
    if not folder.is_dir():
        return {}
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return {
        path.stem: path.name
        for path in sorted(found, key=lambda path: SUFFIXES.index(path.suffix.lower()), reverse=True)
    }
