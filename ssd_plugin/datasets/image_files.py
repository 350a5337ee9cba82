"""Image files of a folder."""

from pathlib import Path

# Of files that OpenCV reads; where two have a name, the first.
SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm')


def by_name(folder: Path) -> dict[str, str]:
    """Image files of a folder by their names without suffix; nothing where it cannot be listed, as it is not on this machine."""
    if not folder.is_dir():
        return {}
    found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
    return {
        path.stem: path.name
        for path in sorted(found, key=lambda path: SUFFIXES.index(path.suffix.lower()), reverse=True)
    }
