"""VIA CSV: one row for each region, whose shape and attributes are JSON."""

import json
from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet

from .annotation_files import csv_rows, files_with_suffix, first_rows
from .reading import Reading
from .via import Entry, Region, labeled_set

FORMAT = 'VIA CSV'
COLUMNS = frozenset(['filename', 'file_size', 'region_count', 'region_shape_attributes', 'region_attributes'])


def recognize(folder: Path) -> list[Path]:
    """Return the CSV files of a folder whose header names the columns."""
    return [path for path in files_with_suffix(folder, '.csv') if is_header(first_rows(path, 1))]


def is_header(rows: list[list[str]]) -> bool:
    """Return whether the first of some rows is the header of this format."""
    return bool(rows) and _names(rows[0]) >= COLUMNS


def _names(header: list[str]) -> frozenset[str]:
    # Version 1 begins the header with #.
    return frozenset(name.lstrip('#') for name in header)


def read(root: Path, files: list[Path], images: Path | None = None, class_attribute: str | None = None) -> LabeledSet:
    """Read the images of CSV files.

    Args:
        root: Folder of the dataset.
        files: The CSV files.
        images: Folder of the images, ``None`` to find them in the dataset.
        class_attribute: The region attribute with the class, ``None`` for the only one that all regions have.

    Raises:
        UserError: A file cannot be read, the attribute is unknown or ambiguous, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    entries: dict[tuple[Path, str, str], Entry] = {}
    for file in files:
        rows = csv_rows(file)
        header = [name.lstrip('#') for name in next(rows)[1]]
        for line, row in rows:
            fields = dict(zip(header, row))
            where, name = f'{file}:{line}', fields['filename']
            key = file, name, fields.get('file_size', '')
            entry = entries.setdefault(key, Entry(name, file, f'{where} ({name})'))
            shape, attributes = (_object(fields.get(f'region_{key}attributes')) for key in ('shape_', ''))
            # The row of an image without regions has an empty shape.
            if shape:
                entry.regions.append(Region(shape, attributes or {}, where))
            elif shape is None or fields.get('region_count') not in ('0', ''):
                reading.leave_out('incomplete object', where, 'its shape is not a JSON object', boxes=1)
    return labeled_set(reading, list(entries.values()), class_attribute)


def _object(text: str | None) -> dict | None:
    """Return the JSON object of a field, ``None`` if it is none."""
    try:
        value = json.loads(text or '')
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
