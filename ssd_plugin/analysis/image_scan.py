"""Decode all image files of a dataset to find the missing, unreadable and duplicate ones."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ssd_plugin.datasets.transforms.image_decoding import (
    UPRIGHT,
    UnreadableImage,
    decode,
    exif_orientation,
    read_file,
    stored_size,
)


@dataclass(frozen=True)
class FileFacts:
    """Properties of an image file.

    Attributes:
        size: (width, height) after the rotation that EXIF asks for, ``None`` if the file cannot be read.
        digest: Checksum of the bytes, ``None`` if the file cannot be read.
        missing: Whether there is no such file.
        unreadable: Why the file cannot be read.
        orientation: EXIF orientation, 1 to 8.
    """

    size: tuple[int, int] | None = None
    digest: str | None = None
    missing: bool = False
    unreadable: str | None = None
    orientation: int = UPRIGHT

    @property
    def stored_size(self) -> tuple[int, int] | None:
        """(width, height) before the rotation."""
        return None if self.size is None else stored_size(self.size, self.orientation)


def read_all(paths: Iterable[Path]) -> dict[Path, FileFacts]:
    """Read image files on all cores, each once, and return their properties by path."""
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = tqdm(pool.map(facts_of, paths), total=len(paths), desc='reading images', disable=None)
        return dict(zip(paths, found))


def facts_of(path: Path) -> FileFacts:
    """Read an image file and return its properties."""
    try:
        data = read_file(str(path))
        height, width = decode(data).shape[:2]
    except FileNotFoundError:
        return FileFacts(missing=True)
    except UnreadableImage as error:
        return FileFacts(unreadable=str(error))
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return FileFacts((width, height), digest, orientation=exif_orientation(data))
