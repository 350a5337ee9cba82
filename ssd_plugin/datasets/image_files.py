"""Image files of a folder."""

from pathlib import Path

# Formats that OpenCV reads. Of several files with the same stem, the one whose suffix comes first is used.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm')


def files_by_stem(folder: Path) -> dict[str, str]:
    """Return the names of the image files in a folder by stem; empty if it is not a local folder."""
    if not folder.is_dir():
        return {}
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return {
        path.stem: path.name
        for path in sorted(found, key=lambda path: SUFFIXES.index(path.suffix.lower()), reverse=True)
    }
