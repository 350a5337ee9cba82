"""VIA, the VGG Image Annotator: what its JSON and its CSV have in common.

https://www.robots.ox.ac.uk/~vgg/software/via/. A region is a shape in pixels with attributes that the user defines; one
of them is the class.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import UserError, first_line, nearest

from .geometry import Corners, hull, turned_ellipse
from .reading import DrawnBox, DrawnImage, Reading, class_name, number
from .split_names import split_of_path

OPTION = '--class-attribute'
# Class of regions without any attribute.
ONLY_CLASS = 'object'
MAX_VALUES = 3


@dataclass
class Region:
    """A region of an image.

    Attributes:
        shape: ``shape_attributes``: the name of the shape, and its coordinates.
        attributes: ``region_attributes``: texts, or for check boxes objects whose keys are the texts.
        where: The file, with the line or the entry.
    """

    shape: dict[str, Any]
    attributes: dict[str, Any]
    where: str


@dataclass
class Entry:
    """An image.

    Attributes:
        name: Name of its file.
        file: The annotation file.
        where: The file, with the line or the entry.
        regions: Its regions.
    """

    name: str
    file: Path
    where: str
    regions: list[Region] = field(default_factory=list)


def labeled_set(reading: Reading, entries: Sequence[Entry], class_attribute: str | None) -> LabeledSet:
    """Return the labeled set of images with regions.

    Args:
        reading: Collects the images and issues.
        entries: The images.
        class_attribute: The attribute with the class, ``None`` for the only one that all regions have.

    Raises:
        UserError: The attribute is unknown or ambiguous, or no image can be used.
    """
    regions = [region for entry in entries for region in entry.regions]
    attribute = _class_attribute(reading.root, regions, class_attribute)
    if attribute is None and regions:
        text = f'no region has an attribute; all {len(regions)} objects get the class {ONLY_CLASS}'
        reading.leave_out('no class names', str(reading.root), text)
    for entry in entries:
        split = split_of_path(entry.file, reading.root)
        drawn = reading.add(DrawnImage([entry.name], entry.file, entry.where, split=split))
        for region in entry.regions:
            _read_region(reading, drawn, region, attribute)
    return reading.labeled_set()


def _class_attribute(root: Path, regions: Sequence[Region], chosen: str | None) -> str | None:
    """Return the attribute with the class, ``None`` if the regions have no attributes.

    Raises:
        UserError: It is unknown or ambiguous.
    """
    values: dict[str, Counter[str]] = {}
    for region in regions:
        for name, value in region.attributes.items():
            values.setdefault(name, Counter()).update(_texts(value)[:1])
    values = {name: counts for name, counts in values.items() if counts}
    if chosen is not None:
        if chosen not in values:
            raise UserError(f'no region of {root} has the attribute {chosen} ({OPTION}){nearest(chosen, values)}')
        return chosen
    complete = [name for name, counts in values.items() if counts.total() == len(regions)]
    candidates = complete or list(values)
    if len(candidates) > 1:
        found = '; '.join(
            f'{name} ({", ".join(text for text, _ in values[name].most_common(MAX_VALUES))})' for name in candidates
        )
        raise UserError(
            f'the regions of {root} have several attributes; say which one is the class ({OPTION}): {found}'
        )
    return candidates[0] if candidates else None


def _texts(value: object) -> list[str]:
    """Return the texts of an attribute: several for check boxes."""
    chosen = [key for key, is_checked in value.items() if is_checked] if isinstance(value, dict) else [value]
    texts = [str(text).strip() for text in chosen if isinstance(text, (str, int, float))]
    return [text for text in texts if text]


def _read_region(reading: Reading, drawn: DrawnImage, region: Region, attribute: str | None) -> None:
    """Add the box of a region, one for each of its classes."""
    kind = region.shape.get('name')
    if kind not in SHAPES:
        reading.leave_out('unsupported shape', region.where, f'it is a {kind}', boxes=1)
        return
    try:
        corners = SHAPES[kind](region.shape)
        names = [ONLY_CLASS] if attribute is None else _texts(region.attributes.get(attribute)) or ['']
        names = [class_name(name) for name in names]
    except (KeyError, TypeError, ValueError) as error:
        text = f'it lacks {error}' if isinstance(error, KeyError) else first_line(error)
        reading.leave_out('incomplete object', region.where, text, boxes=1)
        return
    shape = 'box' if kind == 'rect' else 'polygon'
    drawn.boxes += [DrawnBox(name, corners, region.where, shape=shape) for name in names]


def _rectangle(shape: dict) -> Corners:
    x, y, width, height = (number(shape[key]) for key in ('x', 'y', 'width', 'height'))
    return x, y, x + width, y + height


def _circle(shape: dict) -> Corners:
    return turned_ellipse(number(shape['cx']), number(shape['cy']), number(shape['r']), number(shape['r']))


def _ellipse(shape: dict) -> Corners:
    x, y, radius_x, radius_y = (number(shape[key]) for key in ('cx', 'cy', 'rx', 'ry'))
    # An angle in radians, which older versions do not write.
    return turned_ellipse(x, y, radius_x, radius_y, math.degrees(number(shape.get('theta', 0))))


def _polygon(shape: dict) -> Corners:
    return hull(zip(map(number, shape['all_points_x']), map(number, shape['all_points_y'])))


SHAPES = dict(rect=_rectangle, circle=_circle, ellipse=_ellipse, polygon=_polygon)
