"""Reading an image file, and leaving its pixels to whoever knows which of them are needed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmengine.fileio import get
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from ssd_plugin.datasets.unusable_data import MAX_FRACTION
from ssd_plugin.errors import UnusableData

from .image_decoding import UnreadableImage, decode, decode_jpeg, jpeg_size

MAX_WORKERS = 1024


@dataclass(frozen=True)
class EncodedImage:
    """A JPEG file in memory, and its (width, height)."""

    data: bytes
    size: tuple[int, int]
    complain: Callable[[str], None]

    def decode(self, reduced: int = 1) -> np.ndarray | None:
        """The pixels, at 1/1, 1/2, 1/4 or 1/8 of the size; ``None`` for a damaged file, which is reported."""
        try:
            return decode_jpeg(self.data, reduced)
        except UnreadableImage as error:
            return self.complain(str(error))


@TRANSFORMS.register_module()
class LoadEncodedImage(BaseTransform):
    """Read an image file. Of a JPEG only the header is looked at; :class:`FusedSSDAugment` decodes as much as it shows.

    Takes the place of MMDetection's ``LoadImageFromFile``. Results are the same for the files that both read; a file that is cut off
    counts as unreadable here.

    An image that cannot be read is skipped: the data set takes another. It is named in the log once, and counted.

    Args:
        decode: decode right away, for transforms that want pixels (``Mosaic``, ``Resize``).
        max_unreadable: share of unreadable images above which training ends with an error; 0 for an error at the first.
        least: number of images that a worker reads before it judges the share.
        backend_args: of MMEngine's file client.

    Attributes:
        counts: ``(workers, 2)`` images read and images skipped, in memory that the workers share.
    """

    def __init__(
        self,
        decode: bool = False,
        max_unreadable: float = MAX_FRACTION,
        least: int = 100,
        backend_args: dict | None = None,
    ):
        self.decode = decode
        self.max_unreadable = max_unreadable
        self.least = least
        self.backend_args = backend_args
        self.counts = torch.zeros(MAX_WORKERS, 2, dtype=torch.long).share_memory_()
        self._named = set()

    def transform(self, results: dict) -> dict | None:
        """``img_path`` to ``img_shape`` and ``ori_shape`` (height, width), and ``encoded_img`` or ``img`` (H, W, 3) uint8.

        Raises:
            UnusableData: the share of images that cannot be read is above the limit.
        """
        path = results['img_path']
        mine = self.counts.numpy()[_worker()]
        mine[0] += 1

        def complain(reason: str) -> None:
            mine[1] += 1
            read, skipped = mine.tolist()
            if self.max_unreadable == 0 or read >= self.least and skipped > self.max_unreadable * read:
                raise UnusableData(
                    f'{skipped} of {read} images could not be read, more than the {self.max_unreadable:.0%} that LoadEncodedImage '
                    f'allows (max_unreadable); the last is {path}: {reason}'
                )
            if path not in self._named:
                self._named.add(path)
                print_log(f'{path} is skipped: {reason}', 'current', logging.WARNING)

        try:
            data = get(path, backend_args=self.backend_args)
        except OSError as error:
            return complain('it is missing' if isinstance(error, FileNotFoundError) else str(error.strerror))
        size = None if self.decode else jpeg_size(data)
        if size is not None:
            results['encoded_img'] = EncodedImage(data, size, complain)
        else:
            try:
                results['img'] = decode(data)
            except UnreadableImage as error:
                return complain(str(error))
            size = results['img'].shape[1::-1]
        results['img_shape'] = results['ori_shape'] = size[::-1]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(decode={self.decode}, max_unreadable={self.max_unreadable})'


def _worker() -> int:
    info = get_worker_info()
    return 0 if info is None else info.id
