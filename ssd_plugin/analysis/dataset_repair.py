"""Repaired copies of annotations."""

from collections import Counter
from pathlib import Path

from ssd_plugin.datasets.annotations.records import Annotations
from ssd_plugin.errors import UserError
from ssd_plugin.files import folder_written_atomically


def write_repaired(datasets: list[tuple[Path, Annotations]], folder: Path) -> None:
    """Write the repaired annotations of datasets into a new folder, which appears only when it is complete.

    Args:
        datasets: Path and annotations of each dataset. Of several, each one in a folder gets a subfolder of the same
            name, and each of several files of one name a subfolder with the name of its folder.
        folder: The folder to write.

    Raises:
        UserError: The folder exists already.
    """
    if folder.exists():
        raise UserError(f'{folder} exists already; --fix writes to a new folder')
    with folder_written_atomically(folder) as unfinished:
        names = Counter(path.name for path, _ in datasets)
        for path, annotations in datasets:
            has_subfolder = len(datasets) > 1 and path.suffix != '.json'
            # Roboflow calls the file of each split the same.
            subfolder = path.name if has_subfolder else path.parent.name if names[path.name] > 1 else ''
            annotations.write(unfinished / subfolder)
