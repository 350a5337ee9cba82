"""Read and decode image files.

Training, evaluation, detection and the dataset check all decode with :func:`decode` or :func:`decode_jpeg`, and so
agree on which files are unreadable.
"""

import contextlib
import io
from typing import Any

import cv2
import numpy as np
import simplejpeg
from mmengine.fileio import get
from PIL import Image

from .window_sampling import flip_boxes

# Factors at which libjpeg-turbo has a vectorized inverse DCT; others cost more than decoding the whole image.
REDUCTIONS = (8, 4, 2)
# EXIF orientation: whether to transpose, then the flip (OpenCV's code); JEITA CP-3451, section 4.6.4.
UPRIGHT = 1
TURNS: dict[int, tuple[bool, int | None]] = {
    UPRIGHT: (False, None),
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}
ORIENTATION = 0x0112
JPEG_SIGNATURE = b'\xff\xd8'
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# Bytes that hold the header of a JPEG, unless metadata precede it.
HEADER = 1 << 16
# Signatures of PNG, WebP (RIFF) and BMP files, and what they contain if they are rotated.
UNROTATED = (PNG_SIGNATURE, b'RIFF', b'BM')
EXIF_MARKS = (b'eXIf', b'EXIF', b'Exif')


class UnreadableImage(Exception):
    """A file that does not hold a complete image; the message is the reason, without the path."""


def read_file(path: str, backend_args: dict[str, Any] | None = None) -> bytes:
    """Return the content of an image file.

    Args:
        path: Path or address.
        backend_args: Arguments of MMEngine's file backend; by default it follows from the path.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableImage: The file exists, but cannot be read.
    """
    try:
        return get(path, backend_args=backend_args)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return the (width, height) of a JPEG after its EXIF rotation, from the header alone.

    Returns:
        ``None`` for files that :func:`decode_jpeg` does not support: CMYK and every other format.
    """
    colors, (width, height) = _jpeg_header(data)
    if colors not in ('YCbCr', 'Gray', 'RGB'):
        return None
    return stored_size((width, height), exif_orientation(data))


def _jpeg_header(data: bytes) -> tuple[str, tuple[int, int]]:
    """Return the color space, empty if the data is not a JPEG, and the (width, height) as stored."""
    if not data.startswith(JPEG_SIGNATURE):
        return '', (0, 0)
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return '', (0, 0)
    return colors, (width, height)


def exif_orientation(data: bytes) -> int:
    """Return the EXIF orientation by which :func:`decode` rotates an image: 2 to 8, or 1 for no rotation."""
    # In a JPEG, EXIF is at the beginning.
    if data.startswith(JPEG_SIGNATURE) and data.find(b'Exif\0\0', 0, 4096) < 0:
        return UPRIGHT
    try:
        orientation = Image.open(io.BytesIO(data)).getexif().get(ORIENTATION, UPRIGHT)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return UPRIGHT
    return orientation if orientation in TURNS else UPRIGHT


def stored_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the (width, height) of an image before its EXIF rotation from that after it, or the other way round."""
    return size[::-1] if TURNS[orientation][0] else size


def rotate_boxes(boxes: np.ndarray, orientation: int, size: tuple[int, int], first_pixel: int = 0) -> np.ndarray:
    """Rotate boxes of an image as it is stored to where :func:`decode` shows them.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels of the stored image.
        orientation: EXIF orientation, 1 to 8.
        size: (width, height) after the rotation.
        first_pixel: Coordinate of the first pixel: 1 if coordinates count pixels from 1 and the last one is included.

    Returns:
        ``(N, 4)`` xyxy.
    """
    transpose, flip = TURNS[orientation]
    boxes = boxes[:, [1, 0, 3, 2]] if transpose else boxes
    return flip_boxes(boxes, (size[0] + first_pixel, size[1] + first_pixel), flip)


def size_of_file(path: str) -> tuple[int, int]:
    """Return the (width, height) of an image file as :func:`decode` gives it, mostly from its header alone.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableImage: The file holds no size.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read(HEADER)
            size = jpeg_size(data)
            if size is None:
                data += file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from error
    size = size or jpeg_size(data)
    if size is None and data.startswith(UNROTATED) and not any(mark in data for mark in EXIF_MARKS):
        with contextlib.suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            size = Image.open(io.BytesIO(data)).size
    if size is None:
        height, width = decode(data).shape[:2]
        size = width, height
    return size


def reduction(size: tuple[float, float], needed: tuple[float, float]) -> int:
    """Return the largest of 1, 2, 4 and 8 by which an image can be reduced without falling below a size.

    Args:
        size: (width, height) of the image.
        needed: (width, height) that the reduced image must have at least.
    """
    return next((r for r in REDUCTIONS if size[0] >= r * needed[0] and size[1] >= r * needed[1]), 1)


def decode_jpeg(data: bytes, reduced: int = 1, accurate: bool = False) -> np.ndarray:
    """Decode a JPEG whose size :func:`jpeg_size` knows, at full or reduced resolution.

    Args:
        data: Content of the file.
        reduced: 1, 2, 4 or 8; the sides of the image are divided by it and rounded up.
        accurate: Interpolate the chroma planes as OpenCV does, which takes 10% longer, instead of repeating their
            pixels.

    Returns:
        ``(H, W, 3)`` uint8 BGR, rotated as EXIF asks.

    Raises:
        UnreadableImage: The file is truncated or damaged.
    """
    options: dict[str, Any] = dict(fastupsample=not accurate)
    if reduced > 1:
        width, height = _jpeg_header(data)[1]
        options |= dict(min_height=-(-height // reduced), min_width=-(-width // reduced))
    image = _decode_completely(data, 'BGR', **options)
    transpose, flip = TURNS[exif_orientation(data)]
    if transpose:
        image = cv2.transpose(image)
    return image if flip is None else cv2.flip(image, flip)


def _decode_completely(data: bytes, colors: str, **options: Any) -> np.ndarray:
    """Decode a JPEG and raise :class:`UnreadableImage` if a part is missing, where other decoders fill it with gray."""
    try:
        return simplejpeg.decode_jpeg(data, colors, **options)
    except ValueError as error:
        if 'premature end' in str(error).lower():
            raise UnreadableImage('it is truncated or damaged') from error
    # The strict decoder also rejects harmless warnings, such as superfluous bytes.
    try:
        return simplejpeg.decode_jpeg(data, colors, strict=False, **options)
    except ValueError as error:
        raise UnreadableImage(f'it is damaged: {error}') from error


def decode(data: bytes) -> np.ndarray:
    """Decode an image file of any format that OpenCV knows.

    An intact file gives the pixels that ``cv2.imdecode`` gives.

    Args:
        data: Content of the file.

    Returns:
        ``(H, W, 3)`` uint8 BGR, rotated as EXIF asks, without transparency; gray and 16-bit files are converted.

    Raises:
        UnreadableImage: The file is empty, truncated, damaged, or not an image.
    """
    if not data:
        raise UnreadableImage('it is empty')
    if jpeg_size(data) is not None:
        return decode_jpeg(data, accurate=True)
    # OpenCV fills the missing part of a file that is truncated.
    if _jpeg_header(data)[0] == 'CMYK':
        _decode_completely(data, 'CMYK')
    if data.startswith(PNG_SIGNATURE) and b'IEND' not in data[-1024:]:
        raise UnreadableImage('it is truncated')
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        # For example more pixels than OpenCV allows.
        raise UnreadableImage(f'OpenCV cannot decode it: {error.err}') from error
    if image is None:
        raise UnreadableImage('it is damaged, or not an image of a known format')
    return image
