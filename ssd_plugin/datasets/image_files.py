"""Image files of a folder."""

import os
import re
from pathlib import Path

import cv2

# Formats that OpenCV reads, GIF since 4.11. Of several files with the same stem, the one whose suffix comes first is
# used.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.gif')
# Folders of masks, which have the names of the images that they belong to.
MASKS = re.compile('segmentation.*|(.*[_-])?masks?|trimaps', re.IGNORECASE)


def is_image(path: Path) -> bool:
    """Return whether a file is an image by its suffix or, with another suffix or none, by its first bytes."""
    return path.suffix.lower() in SUFFIXES or (path.is_file() and cv2.haveImageReader(str(path)))


def images_below(folder: Path) -> list[Path]:
    """Return the image files in a folder at any depth, sorted, without hidden files and masks."""
    found = []
    for path, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.') and not MASKS.fullmatch(name)]
        found += [
            Path(path, name)
            for name in files
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith('.')
        ]
    return sorted(found)


def files_by_stem(folder: Path) -> dict[str, str]:
    """Return the names of the image files in a folder by stem; empty if it is not a local folder."""
    if not folder.is_dir():
        return {}
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return {
        path.stem: path.name
        for path in sorted(found, key=lambda path: SUFFIXES.index(path.suffix.lower()), reverse=True)
    }
