"""Reading all image files of a data set, to know which of them can be."""

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
    """(width, height) as the image is shown, and a sum of the bytes; or why it cannot be read."""

    size: tuple[int, int] | None = None
    digest: str | None = None
    missing: bool = False
    unreadable: str | None = None


def read_all(paths: Iterable[Path]) -> dict[Path, FileFacts]:
    """Decode every file once, on all cores."""
    paths = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = tqdm(pool.map(facts_of, paths), total=len(paths), desc='reading images', disable=None)
        return dict(zip(paths, found))


def facts_of(path: Path) -> FileFacts:
    """Of one file."""
    try:
        data = path.read_bytes()
        image = decode(data)
    except FileNotFoundError:
        return FileFacts(missing=True)
    except UnreadableImage as error:
        return FileFacts(unreadable=str(error))
    except OSError as error:
        return FileFacts(unreadable=str(error.strerror))
    return FileFacts(image.shape[1::-1], hashlib.md5(data, usedforsecurity=False).hexdigest())
