"""Counts of the images that a loader reads, and of those that cannot be read or have another size than annotated."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

MAX_WORKERS = 1024
# Images of another size that are named in the log.
MAX_NAMED = 5
_READ, _UNREADABLE, _OTHER_SIZE = range(3)


class ImageReads:
    """Counts in memory that the workers of a loader share. Each unreadable image is named in the log once a worker.

    Attributes:
        counts: ``(workers, 3)`` numbers of images read, unreadable ones, and ones of another size than annotated.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(MAX_WORKERS, 3, dtype=torch.long).share_memory_()
        self._named: set[str] = set()

    @property
    def _own(self) -> Any:
        """Counts of this worker, ``(3,)``."""
        return self.counts.numpy()[_worker_id()]

    def add(self) -> None:
        """Count an image."""
        self._own[_READ] += 1

    def add_unreadable(self, path: str, reason: str, remedy: str) -> tuple[int, int]:
        """Count an image that cannot be read, and name it in the log.

        Args:
            path: The image.
            reason: Why it cannot be read.
            remedy: What is done about it.

        Returns:
            Numbers of images that this worker has read so far, and of unreadable ones.
        """
        self._own[_UNREADABLE] += 1
        if path not in self._named:
            self._named.add(path)
            print_log(f'{path} {remedy}: {reason}', 'current', logging.WARNING)
        read, unreadable, _ = self._own.tolist()
        return read, unreadable

    def compare_size(self, info: Mapping[str, Any], size: tuple[int, int]) -> None:
        """Compare the size of an image with that of its annotation. The first images that differ are named in the log.

        Args:
            info: Sample with ``img_path``, and with ``width`` and ``height`` where the annotation gives them.
            size: (width, height) of the image.
        """
        annotated = info.get('width'), info.get('height')
        if None in annotated or annotated == size:
            return
        path = info['img_path']
        self._own[_OTHER_SIZE] += 1
        if path not in self._named and int(self.counts[:, _OTHER_SIZE].sum()) <= MAX_NAMED:
            self._named.add(path)
            hint = '; does EXIF rotate it, but not its boxes?' if annotated == size[::-1] else '.'
            print_log(
                f'{path} has {size[0]}x{size[1]} pixels, but is annotated with {annotated[0]}x{annotated[1]}, so its '
                f'boxes may be wrong{hint} tools/check_dataset.py lists such images, and --fix repairs a copy',
                'current',
                logging.WARNING,
            )

    def totals(self) -> tuple[int, int, int]:
        """Return the counts of all workers: images read, unreadable ones, and ones of another size than annotated."""
        read, unreadable, other_size = self.counts.sum(dim=0).tolist()
        return read, unreadable, other_size


def _worker_id() -> int:
    """Return the index of the loader's worker that this process is; 0 in the main process."""
    info = get_worker_info()
    return 0 if info is None else info.id
