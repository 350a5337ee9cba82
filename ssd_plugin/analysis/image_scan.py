"""Scan of all image files of a dataset, which decodes each of them once."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode


@dataclass(frozen=True)
class FileFacts:
    """What a scan finds out about an image file.

    Attributes:
        size: (width, height) after the rotation that EXIF asks for, ``None`` if the file cannot be read.
        digest: Checksum of the bytes, ``None`` if the file cannot be read.
        missing: Whether there is no such file.
        unreadable: Why the file cannot be read.
    """

    size: tuple[int, int] | None = None
    digest: str | None = None
    missing: bool = False
    unreadable: str | None = None


def read_all(paths: Iterable[Path]) -> dict[Path, FileFacts]:
    """Return the facts about image files, each of which is decoded once, on all cores."""
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = tqdm(pool.map(facts_of, paths), total=len(paths), desc='reading images', disable=None)
        return dict(zip(paths, found))


def facts_of(path: Path) -> FileFacts:
    """Return the facts about one image file."""
    try:
        data = path.read_bytes()
        height, width = decode(data).shape[:2]
    except FileNotFoundError:
        return FileFacts(missing=True)
    except UnreadableImage as error:
        return FileFacts(unreadable=str(error))
    except OSError as error:
        return FileFacts(unreadable=error.strerror)
    return FileFacts((width, height), hashlib.md5(data, usedforsecurity=False).hexdigest())
