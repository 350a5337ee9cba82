"""Rules for COCO's JSON: what a file and its entries must have, and which annotations training skips."""

import contextlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, size_of_file

from .box_rules import NO_AREA, NOT_FINITE, OUTSIDE, SWAPPED, unusable

# Integers beyond this magnitude are not exact as float64.
MAX_INTEGER = 2**53
# CocoDataset skips boxes that are narrower or lower than this, in pixels.
MIN_SIDE = 1
UNKNOWN_IMAGE, IGNORED, OTHER_CLASS = 'unknown image', 'marked to be ignored', 'unknown class'
NARROW, NO_POSITIVE_AREA = 'narrower than a pixel', 'non-positive area'
# Why training skips an annotation. Of several reasons, the first one counts.
REASONS = (UNKNOWN_IMAGE, IGNORED, NOT_FINITE, SWAPPED, NO_AREA, OUTSIDE, NARROW, NO_POSITIVE_AREA, OTHER_CLASS)


def _is_file_name(value: object) -> bool:
    """Return whether the value can be a file name."""
    return isinstance(value, str) and not any(letter == '\0' or '\ud800' <= letter <= '\udfff' for letter in value)


def _is_id(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and abs(value) <= MAX_INTEGER)


def _is_number(value: object) -> bool:
    """Return whether the value is a number. NaN and infinity are: as coordinates they are an issue of their own."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= MAX_INTEGER)


def _is_length(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and abs(value) <= MAX_INTEGER


def is_box(value: object) -> bool:
    """Return whether the value is a list of four numbers."""
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


# Required keys of the entries of a list, and what their values must be.
Schema = dict[str, Callable[[object], bool]]
LISTS: dict[str, Schema] = dict(
    images=dict(id=_is_id, file_name=_is_file_name, width=_is_length, height=_is_length),
    annotations=dict(id=_is_id, image_id=_is_id, category_id=_is_id, bbox=is_box, area=_is_number),
    categories=dict(id=_is_id, name=_is_file_name),
)


def load(path: Path) -> tuple[dict, list[list]]:
    """Read a JSON file.

    Args:
        path: The file.

    Returns:
        Its whole content, and the lists ``images``, ``annotations`` and ``categories`` in it.

    Raises:
        ValueError: The file is not JSON (``json.JSONDecodeError`` with the line), or lacks one of the lists.
        RecursionError: It is nested too deeply.
        OSError: It cannot be read.
    """
    content = json.loads(path.read_bytes())
    lists = [content[key] for key in LISTS if isinstance(content, dict) and isinstance(content.get(key), list)]
    if len(lists) < len(LISTS):
        raise ValueError(f'it lacks one of the lists {", ".join(LISTS)}')
    return content, lists


def project_category(categories: list, annotations: list) -> dict | None:
    """Return the category that Roboflow writes for the project, which is no class; ``None`` if there is none.

    It has the id 0 and the supercategory ``'none'``, all others have its name as their supercategory, and no annotation
    uses it.

    Args:
        categories: The entries of the list ``categories``.
        annotations: The entries of the list ``annotations``.
    """
    entries = [category for category in categories if isinstance(category, dict)]
    project = next((category for category in entries if category.get('id') == 0), {})
    others = [category for category in entries if category is not project]
    is_project = (
        project.get('supercategory') == 'none'
        and bool(others)
        and all(category.get('supercategory') == project.get('name') for category in others)
        and not any(isinstance(entry, dict) and entry.get('category_id') == 0 for entry in annotations)
    )
    return project if is_project else None


def without_project(categories: list, annotations: list, classes: Sequence[str]) -> list:
    """Return the categories of a file that is read as it is without that of :func:`project_category`.

    It stays where it is asked for, or another category has its name: COCO's metric finds both by that name.

    Args:
        categories: The entries of the list ``categories``.
        annotations: The entries of the list ``annotations``.
        classes: Classes of the config; empty if there is none.
    """
    project = project_category(categories, annotations)
    kept = [category for category in categories if category is not project]
    # Names may be anything, also lists.
    taken = [*classes, *(category.get('name') for category in kept if isinstance(category, dict))]
    return categories if project is None or project.get('name') in taken else kept


def add_sizes(images: list, folder: Path) -> None:
    """Add the size of the file to images whose width or height is null, as Label Studio writes where it has no objects.

    Args:
        images: The entries of the list ``images``.
        folder: Folder of the image files. Those that are missing or unreadable stay without a size.
    """
    for image in images:
        if isinstance(image, dict) and None in (image.get('width', 0), image.get('height', 0)):
            with contextlib.suppress(OSError, ValueError, TypeError, UnreadableImage):
                image['width'], image['height'] = size_of_file(str(folder / image.get('file_name', '')))


def incompleteness(entry: object, schema: Schema) -> str | None:
    """Describe what makes an entry unusable, ``None`` if nothing does.

    Args:
        entry: An entry of one of the lists.
        schema: The list's schema in :data:`LISTS`.
    """
    if not isinstance(entry, dict):
        return f'it must be a JSON object, got {_short(entry)}'
    missing = [key for key in schema if key not in entry]
    if missing:
        return f'it lacks {", ".join(missing)}'
    wrong = [f'{key} is {_short(entry[key])}' for key, fits in schema.items() if not fits(entry[key])]
    return ', '.join(wrong) or None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:40]}...'


def by_id(entries: Iterable[dict]) -> dict[int | str, dict]:
    """Return images or categories by id. Like pycocotools, keep the last of several with the same id."""
    return {entry['id']: entry for entry in entries}


def ignore_flags(annotations: Sequence[dict]) -> np.ndarray:
    """Return which annotations ``CocoDataset`` skips because of their ``ignore`` flag, ``(N,)`` bool."""
    return np.fromiter((bool(entry.get('ignore', False)) for entry in annotations), bool, len(annotations))


def xyxy(boxes: np.ndarray) -> np.ndarray:
    """Return boxes with x, y, width and height as xyxy, both ``(N, 4)``."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def skip_reasons(
    boxes: np.ndarray,
    areas: np.ndarray,
    sizes: np.ndarray,
    ignored: np.ndarray,
    has_image: np.ndarray,
    has_class: np.ndarray,
) -> np.ndarray:
    """Find the annotations that training skips.

    Args:
        boxes: ``(N, 4)`` x, y, width and height in pixels.
        areas: ``(N,)`` areas as annotated, which may be those of masks.
        sizes: ``(N, 2)`` width and height of each annotation's image; anything where it has none.
        ignored: ``(N,)`` result of :func:`ignore_flags`.
        has_image: ``(N,)`` bool, whether the image of an annotation is in the file.
        has_class: ``(N,)`` bool, whether its class is known.

    Returns:
        ``(N,)`` index into :data:`REASONS` of the first reason to skip each annotation, -1 if there is none.
    """
    narrow = (boxes[:, 2:] < MIN_SIDE).any(axis=1)
    found = {
        UNKNOWN_IMAGE: ~has_image,
        IGNORED: ignored,
        **unusable(xyxy(boxes), sizes),
        NARROW: narrow,
        NO_POSITIVE_AREA: areas <= 0,
        OTHER_CLASS: ~has_class,
    }
    return np.select([found[reason] for reason in REASONS], range(len(REASONS)), -1)


def class_order_mismatch(names: Sequence[str], classes: Sequence[str]) -> str | None:
    """Describe a mismatch between a file's categories and the classes of a config, ``None`` if there is none.

    MMDetection and its metric assign labels in the order of the categories in the file, but name them in the order of
    the config's classes.

    Args:
        names: Names of the file's categories, in its order.
        classes: Classes of the config.
    """
    found = [name for name in names if name in classes]
    if len(set(found)) < len(found):
        return 'two of its categories have the same name'
    for name, label_name in zip(found, classes):
        if name != label_name:
            return (
                f'labels follow the order of the categories in the file, so that its {name!r} would be called '
                f'{label_name!r}; set metainfo.classes to {tuple(found)}'
            )
    return None
