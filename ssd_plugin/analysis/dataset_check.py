"""Check of datasets: all issues, and whether training on them is safe."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ssd_plugin.datasets.annotations.records import Annotations, Issue

from . import dataset_issues
from .dataset_report import is_safe, verdict
from .image_scan import FileFacts, read_all

# Classes with fewer objects are reported as rare.
FEW = 10


class DatasetCheck(NamedTuple):
    """Result of the check.

    Attributes:
        issues: All issues.
        safe: Whether training can start, and learns from and is evaluated on correct data.
    """

    issues: list[Issue]
    safe: bool

    @property
    def verdict(self) -> str:
        """The result as a line of text."""
        return verdict(self.issues, self.safe)


def check(datasets: Sequence[Annotations], few: int = FEW, read_files: bool = True) -> DatasetCheck:
    """Check datasets. Their records are changed to what a repaired copy holds.

    Args:
        datasets: The annotations of each.
        few: Number of objects below which a class is reported as rare.
        read_files: Whether to read the image files, too.
    """
    images = [image for annotations in datasets for image in annotations.images]
    boxes = sum(len(image.boxes) for image in images)
    trained = sum(annotations.trains(image) for annotations in datasets for image in annotations.images)
    files: dict[Path, FileFacts] = read_all(image.path for image in images) if read_files else {}
    issues = [issue for annotations in datasets for issue in dataset_issues.find(annotations, files, few)]
    issues += dataset_issues.duplicate_images(datasets, files)
    return DatasetCheck(issues, is_safe(issues, trained, boxes))
