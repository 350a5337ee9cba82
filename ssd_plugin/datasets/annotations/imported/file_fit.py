"""Boxes that were drawn on another version of an image file, in its pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssd_plugin.datasets.transforms.image_decoding import (
    TURNS,
    UPRIGHT,
    UnreadableImage,
    decode,
    exif_orientation,
    jpeg_size,
    read_file,
    rotate_boxes,
    stored_size,
)

# Boxes may end this many pixels beyond the image.
TOLERANCE = 1.0
SCALED, ROTATED, UNCLEAR, OTHER_SIZE = 'scaled boxes', 'EXIF rotation applied', 'EXIF rotation unclear', 'wrong size'


@dataclass(frozen=True)
class ImageFacts:
    """Properties of an image file.

    Attributes:
        size: (width, height) as training sees it; ``None`` if it cannot be read.
        orientation: EXIF orientation, 1 to 8.
        unreadable: Why it cannot be read, empty if it can.
    """

    size: tuple[int, int] | None
    orientation: int = UPRIGHT
    unreadable: str = ''


def image_facts(path: Path) -> ImageFacts:
    """Read an image file, and of a JPEG only the header."""
    try:
        data = read_file(str(path))
        size = jpeg_size(data)
        if size is None:
            height, width = decode(data).shape[:2]
            size = width, height
    except FileNotFoundError:
        return ImageFacts(None, unreadable='it is missing')
    except UnreadableImage as error:
        return ImageFacts(None, unreadable=str(error))
    return ImageFacts(size, exif_orientation(data))


def fit_to_file(
    boxes: np.ndarray, annotated: tuple[int, int] | None, facts: ImageFacts
) -> tuple[np.ndarray | None, str, str]:
    """Return boxes in the pixels of the image file.

    They are scaled if they were drawn on a larger or smaller copy with the same aspect ratio, and rotated if the
    annotated size is that before the file's EXIF rotation.

    Args:
        boxes: ``(N, 4)`` xyxy in pixels of the image as annotated.
        annotated: Its (width, height), ``None`` or with zeros if the annotation does not tell.
        facts: The file, which is readable.

    Returns:
        ``(N, 4)`` xyxy, ``None`` if the annotation is that of another image; what was done, one of ``SCALED``,
        ``ROTATED``, ``UNCLEAR``, ``OTHER_SIZE`` or an empty text; and a clause about it.
    """
    size, orientation = facts.size, facts.orientation
    assert size is not None
    if annotated is None or min(annotated) <= 0:
        if orientation == UPRIGHT:
            return boxes, '', ''
        return boxes, UNCLEAR, f'it has the EXIF orientation {orientation}, and its annotation has no size'
    stored = stored_size(size, orientation)
    if annotated == size:
        if orientation == UPRIGHT or stored != size:
            return boxes, '', ''
        text = f'it has the EXIF orientation {orientation}, and its annotation does not tell whether that is applied'
        return boxes, UNCLEAR, text
    sizes = f'it has {size[0]}x{size[1]} pixels, but is annotated with {annotated[0]}x{annotated[1]}'
    if _fits(boxes, size) and not _fits(boxes, annotated):
        return boxes, UNCLEAR if TURNS[orientation][0] else '', f'{sizes}; its boxes fit the file'
    if _same_aspect(annotated, size):
        return boxes * (np.array(size) / annotated)[[0, 1, 0, 1]], SCALED, f'{sizes}; its boxes are scaled'
    if stored != size and _same_aspect(annotated, stored):
        scaled = boxes * (np.array(stored) / annotated)[[0, 1, 0, 1]]
        text = f'{sizes}, as before its EXIF rotation; its boxes are rotated'
        return rotate_boxes(scaled, orientation, size), ROTATED, text
    swapped = '; are width and height swapped?' if annotated == size[::-1] else ''
    return None, OTHER_SIZE, f'{sizes}, of another aspect ratio{swapped}'


def _fits(boxes: np.ndarray, size: tuple[int, int]) -> bool:
    """Return whether all boxes ``(N, 4)`` end within an image of a size, but for :data:`TOLERANCE`."""
    points = boxes.reshape(-1, 2, 2)
    return bool(((points >= -TOLERANCE) & (points <= np.array(size) + TOLERANCE)).all())


def _same_aspect(annotated: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether one size is the other one after scaling, whose result was rounded to pixels."""
    (w1, h1), (w2, h2) = sorted([annotated, size], key=max)
    # The smaller size was rounded by less than a pixel, either side of it.
    return abs(w2 * h1 / h2 - w1) <= 1 or abs(h2 * w1 / w2 - h1) <= 1
