"""The image file that an annotation names."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ssd_plugin.datasets.image_files import SUFFIXES, images_below, is_image
from ssd_plugin.files import md5_of

DRIVE = re.compile('[A-Za-z]:')


class AmbiguousImage(Exception):
    """An annotation may belong to several images; the message names them."""


def name_parts(name: str) -> list[str]:
    r"""Return the parts of a file name that any system wrote: ``C:\a\b.jpg``, ``../a/b.jpg`` and ``a/b.jpg`` alike."""
    parts = DRIVE.sub('', name.strip().replace('\\', '/'), count=1).split('/')
    return [part for part in parts if part not in ('', '.', '..')]


def _key(name: str) -> str:
    """Return a name without its case and, for accents, without the form in which they are encoded."""
    return unicodedata.normalize('NFC', name).casefold()


class NamedImageFinder:
    """The image files below a folder, but for those of masks.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = images_below(folder)
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in self.files:
            self._by_name[_key(path.name)].append(path)
            self._by_stem[_key(path.stem)].append(path)

    def find(self, names: Sequence[str], annotation: Path, split: str | None = None) -> Path | None:
        """Return the image file of an annotation.

        A name is compared without its case, and as good as it can be: with the folders that it contains, or else the
        folder of the annotation, then its siblings, then any other. If no file has one of the names, a file with the
        same stem and another suffix is taken.

        Args:
            names: Names of the image file, with or without folders, the best first.
            annotation: The annotation file.
            split: Split of the image, a folder of which is preferred.

        Returns:
            The file, ``None`` if there is none.

        Raises:
            AmbiguousImage: Several files fit equally, and have different bytes.
        """
        named = [parts for parts in map(name_parts, names) if parts]
        for parts in named:
            candidates = self._by_name.get(_key(parts[-1])) or self._with_other_suffix(parts, annotation)
            if candidates:
                return _only(_best(candidates, parts, annotation.parent, split))
        for parts in named:
            candidates = next(filter(None, (self._by_stem.get(_key(stem)) for stem in _stems(parts[-1]))), [])
            if candidates:
                first = min(SUFFIXES.index(path.suffix.lower()) for path in candidates)
                candidates = [path for path in candidates if SUFFIXES.index(path.suffix.lower()) == first]
                return _only(_best(candidates, [*parts[:-1], candidates[0].name], annotation.parent, split))
        return None

    def _with_other_suffix(self, parts: Sequence[str], annotation: Path) -> list[Path]:
        """Return the file with exactly this name if it is an image by its content, whatever its suffix."""
        if os.path.splitext(parts[-1])[1].lower() in SUFFIXES:
            return []
        paths = [Path(base, *parts) for base in (annotation.parent, self.folder)]
        return [path for path in paths if path.is_file() and is_image(path)][:1]


def _stems(name: str) -> list[str]:
    """Return the possible stems of a name, which may have no suffix, but dots."""
    stem, suffix = os.path.splitext(name)
    return [stem] if suffix.lower() in SUFFIXES else [name, stem]


def _best(candidates: Iterable[Path], parts: Sequence[str], folder: Path, split: str | None) -> list[Path]:
    """Return the candidates that fit best."""

    def fit(path: Path) -> tuple:
        folders = path.parts[:-1]
        common = 0
        for mine, theirs in zip(reversed(folders), reversed(parts[:-1])):
            if _key(mine) != _key(theirs):
                break
            common += 1
        return (
            common,
            split is not None and split in folders,
            path.name == parts[-1],
            path.parent == folder,
            path.is_relative_to(folder) or path.is_relative_to(folder.parent),
        )

    fits = {path: fit(path) for path in candidates}
    best = max(fits.values())
    return [path for path, value in fits.items() if value == best]


def _only(candidates: Sequence[Path]) -> Path:
    """Return the first of several files with the same bytes.

    Raises:
        AmbiguousImage: Their bytes differ.
    """
    if len(candidates) > 1 and len({md5_of(path) for path in candidates}) > 1:
        raise AmbiguousImage(' or '.join(map(str, candidates[:3])) + (' or ...' if len(candidates) > 3 else ''))
    return candidates[0]
