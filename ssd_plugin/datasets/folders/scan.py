"""The files of a folder, found in one pass."""

import os
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ssd_plugin.datasets.image_files import images_below, walk


class Scan:
    """The files of a folder that may be annotations, and its images.

    Args:
        root: The folder.
        annotations: File or folder of the annotations, ``None`` to look in the whole folder.
        images: Folder of the images, ``None`` for the folder itself.
        class_attribute: The attribute with the class, for formats whose objects have several; ``None`` for the only
            one that all of them have.
    """

    def __init__(
        self,
        root: Path,
        annotations: Path | None = None,
        images: Path | None = None,
        class_attribute: str | None = None,
    ) -> None:
        self.root = root
        self.class_attribute = class_attribute
        self.annotations = annotations or root
        self.image_root = images or root
        self.images = images_below(self.image_root)

    @cached_property
    def files(self) -> list[Path]:
        """All files that may be annotations, sorted, without hidden ones."""
        if self.annotations.is_file():
            return [self.annotations]
        found = []
        for path, folders, files in walk(self.annotations):
            folders[:] = [name for name in folders if not name.startswith('.')]
            found += [Path(path, name) for name in files if not name.startswith('.')]
        return sorted(found)

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """Return the files with one of some suffixes, in lower case."""
        return [path for path in self.files if path.suffix.lower() in suffixes]

    @cached_property
    def images_by_name(self) -> dict[str, list[Path]]:
        """The images by the name of the file, in lower case."""
        found = defaultdict(list)
        for path in self.images:
            found[path.name.lower()].append(path)
        return found

    def relative(self, path: Path) -> str:
        """Return a path relative to the folder, or the path itself if it lies elsewhere."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path.absolute())


def common_folder(folders: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all of some folders."""
    return Path(os.path.commonpath(folders))
