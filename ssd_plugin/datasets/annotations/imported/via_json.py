"""VIA JSON: a saved project, or exported annotations, with the images by name and size."""

from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet

from .annotation_files import files_with_suffix, load_json
from .json_outline import has_keys, outline
from .reading import Reading
from .via import Entry, Region, labeled_set

FORMAT = 'VIA JSON'
PROJECT = '_via_img_metadata'


def recognize(folder: Path) -> list[Path]:
    """Return the JSON files of a folder that are a project, or have objects with a file name and regions."""
    return [path for path in files_with_suffix(folder, '.json') if _is_via(path)]


def _is_via(path: Path) -> bool:
    keys = outline(path)
    # Version 1 writes an image's data before its regions.
    entries = {key[0] for key in keys if len(key) == 2 and key[1] in ('regions', 'base64_img_data')}
    return (
        has_keys(path, ('_via_settings',))
        or has_keys(path, (PROJECT,))
        or any((name, 'filename') in keys for name in entries)
    )


def read(root: Path, files: list[Path], images: Path | None = None, class_attribute: str | None = None) -> LabeledSet:
    """Read the images of JSON files.

    Args:
        root: Folder of the dataset.
        files: The JSON files.
        images: Folder of the images, ``None`` to find them in the dataset.
        class_attribute: The region attribute with the class, ``None`` for the only one that all regions have.

    Raises:
        UserError: A file cannot be read, the attribute is unknown or ambiguous, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    entries = []
    for file in files:
        content = load_json(file)
        metadata = content.get(PROJECT, content) if isinstance(content, dict) else {}
        for key, value in metadata.items() if isinstance(metadata, dict) else ():
            entry = _entry(file, key, value)
            if entry is not None:
                entries.append(entry)
            elif key not in ('_via_settings', '_via_attributes', '_via_data_format_version', '_via_image_id_list'):
                reading.leave_out('incomplete object', f'{file}: {key}', 'it has no filename or no regions', images=1)
    return labeled_set(reading, entries, class_attribute)


def _entry(file: Path, key: str, value: Any) -> Entry | None:
    """Return an image, ``None`` if the value does not describe one."""
    name, regions = (value.get('filename'), value.get('regions')) if isinstance(value, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(regions, (list, dict)):
        return None
    where = f'{file}: {key}'
    # Version 1 writes an object with numbers as keys.
    listed = regions.items() if isinstance(regions, dict) else enumerate(regions)
    return Entry(name, file, where, [_region(region, f'{where} regions[{index}]') for index, region in listed])


def _region(value: Any, where: str) -> Region:
    fields = value if isinstance(value, dict) else {}
    parts = [fields.get(key) for key in ('shape_attributes', 'region_attributes')]
    shape, attributes = (part if isinstance(part, dict) else {} for part in parts)
    return Region(shape, attributes, where)
