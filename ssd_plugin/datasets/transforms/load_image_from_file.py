"""The image loader of test pipelines, which reports damaged files instead of decoding them in part."""

from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from mmdet.registry import TRANSFORMS
from mmengine.fileio import FileClient

from ssd_plugin.errors import UnusableData

from .image_decoding import UnreadableImage, decode, read_file
from .image_reads import ImageReads

# What an evaluation sees in place of an image that cannot be read.
GRAY, GRAY_SHAPE = 127, (32, 32, 3)


# Under MMCV's name: MMDetection's DetInferencer and inference_detector look for it in a test pipeline.
@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """MMCV's ``LoadImageFromFile`` that rejects the same files as training.

    It takes precedence in MMDetection's registry scope. Arguments and pixels are MMCV's; but a file that is empty,
    truncated, damaged or not an image is an error that names it, where OpenCV fills the missing part of a JPEG with
    gray. With another ``color_type`` or ``imdecode_backend`` than the defaults, MMCV decodes, and only a file that it
    rejects is an error.

    A dataset that is evaluated reads the rest, too: after :meth:`replace_unreadable`, an image that is missing or
    unreadable is named, counted, and replaced by a gray one. :class:`SkippedImagesHook` asks for that.

    Attributes:
        reads: Counts of the images read in an evaluation, ``None`` where an unreadable image is an error.
    """

    reads: ImageReads | None = None

    def replace_unreadable(self) -> None:
        """Replace unreadable images by gray ones, and start to count anew."""
        if self.reads is None:
            self.reads = ImageReads()
        self.reads.counts.zero_()

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Add ``img`` ``(H, W, 3)`` BGR and its ``img_shape`` and ``ori_shape`` (height, width) to ``img_path``.

        Returns:
            The results; ``None`` for an unreadable or missing file with ``ignore_empty=True``.

        Raises:
            UnusableData: The image cannot be read, and is not to be replaced.
            FileNotFoundError: The file is missing, and is not to be replaced.
        """
        path = results['img_path']
        if self.reads is not None:
            self.reads.add()
        try:
            image = self._decode(self._read(path))
        except Exception as error:
            if self.ignore_empty:
                return None
            if self.reads is not None and isinstance(error, (UnreadableImage, FileNotFoundError)):
                reason = 'it is missing' if isinstance(error, FileNotFoundError) else str(error)
                self.reads.add_unreadable(path, reason, 'is evaluated as a gray image')
                image = np.full(GRAY_SHAPE[: 2 if self.color_type == 'grayscale' else 3], GRAY, np.uint8)
            elif isinstance(error, UnreadableImage):
                raise UnusableData(f'the image {path} cannot be read: {error}') from error
            else:
                raise
        else:
            if self.reads is not None:
                self.reads.compare_size(results, image.shape[1::-1])
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _read(self, path: str) -> bytes:
        if self.file_client_args is not None:
            return FileClient.infer_client(self.file_client_args, path).get(path)
        return read_file(path, self.backend_args)

    def _decode(self, data: bytes) -> np.ndarray:
        if (self.color_type, self.imdecode_backend) == ('color', 'cv2'):
            return decode(data)
        if not data:
            raise UnreadableImage('it is empty')
        image = mmcv.imfrombytes(data, flag=self.color_type, backend=self.imdecode_backend)
        if image is None:
            raise UnreadableImage('it is damaged, or not an image of a known format')
        return image
