"""Reading image files: no more of a JPEG than is needed, and files out of the ordinary as people see them."""

import io

import cv2
import numpy as np
import simplejpeg
from PIL import Image

# Shares at which libjpeg-turbo's inverse DCT is vectorised; those between cost more than the whole image.
REDUCTIONS = (8, 4, 2)
# What EXIF's orientation asks for: transpose, then flip (OpenCV's code); JEITA CP-3451, section 4.6.4.
TURNS = {2: (False, 1), 3: (False, -1), 4: (False, 0), 5: (True, None), 6: (True, 1), 7: (True, -1), 8: (True, 0)}
ORIENTATION = 0x0112


class UnreadableImage(Exception):
    """Bytes that are no whole image; the message says what is wrong with them."""


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a JPEG, as EXIF turns it, from its header; ``None`` where :func:`decode_jpeg` is of no use: CMYK and all
    other formats."""
    colors, size = _jpeg_header(data)
    if colors not in ('YCbCr', 'Gray', 'RGB'):
        return None
    return size[::-1] if _turn(data)[0] else size


def _jpeg_header(data: bytes) -> tuple[str, tuple[int, int]]:
    """Colour space, empty for what is no JPEG, and (width, height) as stored."""
    if data[:2] != b'\xff\xd8':
        return '', (0, 0)
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return '', (0, 0)
    return colors, (width, height)


def _turn(data: bytes) -> tuple[bool, int | None]:
    """Whether EXIF transposes, and the flip after it."""
    # EXIF stands at the beginning of a file.
    if data.find(b'Exif\0\0', 0, 4096) < 0:
        return False, None
    try:
        orientation = Image.open(io.BytesIO(data)).getexif().get(ORIENTATION)
    except (OSError, ValueError, SyntaxError):
        orientation = None
    return TURNS.get(orientation, (False, None))


def reduction(size: tuple[int, int], needed: tuple[float, float]) -> int:
    """The largest of 1, 2, 4 and 8 by which an image of ``size`` may shrink and still be as large as ``needed``."""
    return next((r for r in REDUCTIONS if size[0] >= r * needed[0] and size[1] >= r * needed[1]), 1)


def decode_jpeg(data: bytes, reduced: int = 1, accurate: bool = False) -> np.ndarray:
    """A JPEG of which :func:`jpeg_size` knows the size, or a share of it.

    Args:
        data: the file.
        reduced: 1, 2, 4 or 8; the sides of the result are the image's divided by it, rounded up.
        accurate: interpolate colours as OpenCV does, which takes a tenth longer; otherwise they have the resolution of the file.

    Returns:
        ``(H, W, 3)`` uint8, blue first.

    Raises:
        UnreadableImage: the data ends too early or is damaged.
    """
    options = dict(fastupsample=not accurate)
    if reduced > 1:
        width, height = _jpeg_header(data)[1]
        options |= dict(min_height=-(-height // reduced), min_width=-(-width // reduced))
    image = _strictly(data, 'BGR', **options)
    transpose, flip = _turn(data)
    if transpose:
        image = cv2.transpose(image)
    return image if flip is None else cv2.flip(image, flip)


def _strictly(data: bytes, colors: str, **options) -> np.ndarray:
    try:
        return simplejpeg.decode_jpeg(data, colors, **options)
    except ValueError as error:
        if 'premature end' in str(error).lower():
            raise UnreadableImage('it is cut off or damaged') from error
    # Warnings, say of superfluous bytes, are errors to the strict reader.
    try:
        return simplejpeg.decode_jpeg(data, colors, strict=False, **options)
    except ValueError as error:
        raise UnreadableImage(f'it is damaged: {error}') from error


def decode(data: bytes) -> np.ndarray:
    """Any image file, turned as EXIF says and without transparency; grey and 16-bit files become 8-bit colour.

    Args:
        data: the file.

    Returns:
        ``(H, W, 3)`` uint8, blue first.

    Raises:
        UnreadableImage: it is empty, no image, damaged, or ends too early.
    """
    if not data:
        raise UnreadableImage('it is empty')
    if jpeg_size(data) is not None:
        return decode_jpeg(data, accurate=True)
    # OpenCV shows what there is of a file that is cut off.
    if _jpeg_header(data)[0] == 'CMYK':
        _strictly(data, 'CMYK')
    if data[:8] == b'\x89PNG\r\n\x1a\n' and b'IEND' not in data[-1024:]:
        raise UnreadableImage('it is cut off')
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UnreadableImage('it is no image of a known format, or damaged')
    return image
