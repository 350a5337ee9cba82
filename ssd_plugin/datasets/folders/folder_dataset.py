"""A folder that was recognized: its splits, its classes, and the configs of the datasets that read it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ssd_plugin.datasets.annotations.records import AnnotatedImage, Annotations

# Name of the only split of a folder that has none.
ALL = 'all'


class Part(NamedTuple):
    """Some images of a folder as a dataset of their own.

    Attributes:
        dataset: Config of the dataset.
        files: Content of the files that the config names, by path, for the caller to write.
    """

    dataset: dict[str, Any]
    files: dict[Path, bytes]


@dataclass(frozen=True)
class FolderSplit:
    """A split of a folder.

    Attributes:
        name: ``'train'``, ``'val'``, ``'test'``, ``'trainval'``, or ``'all'`` where there are no splits.
        images: Its images.
        dataset: Config of the dataset that reads the split where it lies, ``None`` if that takes a file which
            :attr:`FolderDataset.part` makes.
    """

    name: str
    images: tuple[AnnotatedImage, ...]
    dataset: dict[str, Any] | None


@dataclass(frozen=True)
class FolderDataset:
    """What a folder holds.

    Attributes:
        format: Key of the format, as ``--format`` takes it.
        title: Name of the format for people.
        root: The folder.
        annotations: The file or folder of annotations that was read, as ``--annotations`` takes it.
        classes: Class names by label.
        splits: The splits by name, in the order train, val, test, or ``'all'`` alone.
        sources: Path and annotations of each source, for the dataset check. Several splits may be in one.
        suffix: How the name of the file ends that ``part`` writes.
        part: Returns some of the images as a dataset, given the images and the path of the list or annotation file to
            write. The config names that path absolutely.
        others: Descriptions of the same images that were not read.
        notes: Lines about what was found, taken and left out by an import.
    """

    format: str
    title: str
    root: Path
    annotations: Path
    classes: tuple[str, ...]
    splits: dict[str, FolderSplit]
    sources: tuple[tuple[Path, Annotations], ...]
    suffix: str
    part: Callable[[Sequence[AnnotatedImage], Path], Part]
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = ', '.join(f'{len(split.images)} images in {name}' for name, split in self.splits.items())
        unread = f'; not read, since it describes the same images: {", ".join(self.others)}' if self.others else ''
        return f'{self.root} is {self.title} ({self.annotations}): {counts}, {len(self.classes)} classes{unread}'


@dataclass(frozen=True)
class Candidate:
    """Annotations found in a folder, before they are read.

    Attributes:
        format: Key of the format.
        title: Name of the format for people.
        annotations: The file or folder, as ``--annotations`` takes it.
        read: Reads them; raises :class:`~ssd_plugin.errors.UnusableData` or
            :class:`~ssd_plugin.errors.UserError` with one line if they cannot be used.
        unread: Descriptions that are known to be of the same images, and are not read.
    """

    format: str
    title: str
    annotations: Path
    read: Callable[[], FolderDataset]
    unread: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f'{self.title} in {self.annotations}'
