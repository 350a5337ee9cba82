"""Boxes that were drawn on another version of an image file, in its pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssd_plugin.datasets.annotations.drawn_sizes import scale_factors, scaled
from ssd_plugin.datasets.transforms.image_decoding import (
    HEADER,
    TURNS,
    UPRIGHT,
    UnreadableImage,
    exif_orientation,
    rotate_boxes,
    size_of_file,
    stored_size,
)

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
    """Return the properties of an image file, mostly from its header alone."""
    try:
        size = size_of_file(str(path))
        with open(path, 'rb') as file:
            orientation = exif_orientation(file.read(HEADER))
    except FileNotFoundError:
        return ImageFacts(None, unreadable='it is missing')
    except UnreadableImage as error:
        return ImageFacts(None, unreadable=str(error))
    return ImageFacts(size, orientation)


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
    factors = scale_factors(boxes, annotated, size)
    if factors == (1, 1):
        return boxes, UNCLEAR if TURNS[orientation][0] else '', f'{sizes}; its boxes fit the file'
    if factors is not None:
        return scaled(boxes, factors, 0), SCALED, f'{sizes}; its boxes are scaled'
    factors = scale_factors(boxes, annotated, stored)
    if stored != size and factors is not None:
        text = f'{sizes}, as before its EXIF rotation; its boxes are rotated'
        return rotate_boxes(scaled(boxes, factors, 0), orientation, size), ROTATED, text
    swapped = '; are width and height swapped?' if annotated == size[::-1] else ''
    return None, OTHER_SIZE, f'{sizes}, of another aspect ratio{swapped}'
