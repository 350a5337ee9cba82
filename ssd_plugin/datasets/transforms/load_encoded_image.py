"""Read an image file and leave decoding to the augmentation, which knows which pixels are needed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ssd_plugin.datasets.unusable_data import MAX_FRACTION, excess
from ssd_plugin.errors import UnusableData
from ssd_plugin.option_ranges import check_counts, check_fractions

from .image_decoding import UnreadableImage, decode, decode_jpeg, jpeg_size, read_file
from .image_reads import ImageReads


@dataclass(frozen=True)
class EncodedImage:
    """A JPEG file in memory.

    Attributes:
        data: Content of the file.
        size: (width, height) of the image after its EXIF rotation.
        report_damage: Called with the reason if decoding shows that the file is damaged.
    """

    data: bytes
    size: tuple[int, int]
    report_damage: Callable[[str], None]

    def decode(self, reduced: int = 1) -> np.ndarray | None:
        """Return the pixels at 1/1, 1/2, 1/4 or 1/8 of the size; ``None``, and a report, for a damaged file."""
        try:
            return decode_jpeg(self.data, reduced)
        except UnreadableImage as error:
            self.report_damage(str(error))
            return None


@TRANSFORMS.register_module()
class LoadEncodedImage(BaseTransform):
    """Read an image file, and of a JPEG only the header; :class:`FusedSSDAugment` then decodes as much as it shows.

    Replaces MMDetection's ``LoadImageFromFile`` in training pipelines. An image that is missing or unreadable is
    skipped, and the dataset takes another one in its place. It is named in the log once, and counted. Images of another
    size than annotated are counted too, and the first ones named: their boxes may be wrong.

    Args:
        decode: Decode at once, for transforms that need pixels (``Mosaic``, ``Resize``).
        max_unreadable: Fraction of unreadable images above which training ends with an error; 0 for an error at the
            first one.
        least: Number of images that a worker reads before it compares the fraction.
        backend_args: Arguments of MMEngine's file backend.

    Attributes:
        reads: Counts of the images read.
    """

    def __init__(
        self,
        decode: bool = False,
        max_unreadable: float = MAX_FRACTION,
        least: int = 100,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        self.decode = decode
        check_fractions(max_unreadable=max_unreadable)
        check_counts(0, least=least)
        self.max_unreadable = max_unreadable
        self.least = least
        self.backend_args = backend_args
        self.reads = ImageReads()

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Add to ``img_path`` its ``img_shape`` and ``ori_shape`` (height, width), and ``encoded_img`` or ``img``.

        Returns:
            The results, with ``img`` as ``(H, W, 3)`` uint8 BGR if the image is decoded; ``None`` if it is skipped.

        Raises:
            UnusableData: The fraction of unreadable images exceeds the limit.
        """
        path = results['img_path']
        self.reads.add()

        # A function, not a bound method: MultiImageMixDataset copies its samples deeply, and with a method this
        # transform.
        def report_damage(reason: str) -> None:
            self._skip(path, reason)

        try:
            data = read_file(path, self.backend_args)
            size = None if self.decode else jpeg_size(data)
            if size is not None:
                results['encoded_img'] = EncodedImage(data, size, report_damage)
            else:
                results['img'] = decode(data)
                size = results['img'].shape[1::-1]
        except FileNotFoundError:
            self._skip(path, 'it is missing')
            return None
        except UnreadableImage as error:
            self._skip(path, str(error))
            return None
        self.reads.compare_size(results, size)
        results['img_shape'] = results['ori_shape'] = size[::-1]
        return results

    def _skip(self, path: str, reason: str) -> None:
        """Count and name an image that is skipped.

        Raises:
            UnusableData: There are too many of them.
        """
        read, skipped = self.reads.add_unreadable(path, reason, 'is skipped')
        too_many = excess(skipped, read, 'images', 'could not be read', self, 'max_unreadable', self.max_unreadable)
        if too_many and (read >= self.least or self.max_unreadable == 0):
            raise UnusableData(f'{too_many}; the last one is {path}: {reason}')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(decode={self.decode}, max_unreadable={self.max_unreadable})'
