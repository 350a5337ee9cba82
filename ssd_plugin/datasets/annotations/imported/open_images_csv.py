"""Open Images CSV: one row for each box, with fractions of the image's sides in the order XMin, XMax, YMin, YMax.

https://storage.googleapis.com/openimages/web/download_v7.html. Most people have a part of its images.
"""

import re
from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import first_line

from .annotation_files import csv_rows, files_with_suffix, first_rows
from .reading import DrawnBox, DrawnImage, Reading, class_name, number
from .split_names import split_of_path

FORMAT = 'Open Images CSV'
SIDES = ('XMin', 'YMin', 'XMax', 'YMax')
COLUMNS = frozenset(['ImageID', 'LabelName', *SIDES])
# An identifier of a class in a file with two columns, identifier and name.
CLASS_ID = re.compile('/[a-z]+/[0-9a-z_]+')


def recognize(folder: Path) -> list[Path]:
    """Return the CSV files of a folder whose header names the columns."""
    return [path for path in files_with_suffix(folder, '.csv') if is_header(first_rows(path, 1))]


def is_header(rows: list[list[str]]) -> bool:
    """Return whether the first of some rows is the header of this format."""
    return bool(rows) and frozenset(rows[0]) >= COLUMNS


def is_class_list(rows: list[list[str]]) -> bool:
    """Return whether some rows are identifiers and names of classes."""
    return bool(rows) and all(len(row) == 2 for row in rows) and any(CLASS_ID.fullmatch(row[0]) for row in rows)


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read the images of CSV files that are in the dataset's folder. Classes get the names of a list in the folder.

    Args:
        root: Folder of the dataset.
        files: The CSV files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: A file cannot be read, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    names = _class_names(reading.root)
    for file in files:
        _read_file(reading, file, names)
    return reading.labeled_set()


def _read_file(reading: Reading, file: Path, names: dict[str, str]) -> None:
    rows = csv_rows(file)
    header = next(rows)[1]
    split = split_of_path(file, reading.root)
    found: dict[str, DrawnImage] = {}
    for line, row in rows:
        fields = dict(zip(header, row))
        name, where = fields['ImageID'], f'{file}:{line}'
        if name not in found:
            found[name] = DrawnImage([name], file, f'{where} ({name})', fractions=True, split=split)
        try:
            x1, y1, x2, y2 = (number(fields.get(side)) for side in SIDES)
            label = class_name(fields.get('LabelName'))
        except ValueError as error:
            reading.leave_out('incomplete object', where, first_line(error), boxes=1)
            continue
        is_crowd = fields.get('IsGroupOf') == '1'
        found[name].boxes.append(DrawnBox(names.get(label, label), (x1, y1, x2, y2), where, crowd=is_crowd))
    present = {path.stem for path in reading.finder.files}
    absent = [image for image in found.values() if image.names[0] not in present]
    if absent and len(absent) < len(found):
        text = f'{len(absent)} of its {len(found)} images are not in {reading.finder.folder}'
        reading.leave_out('missing image', str(file), text, len(absent), sum(len(image.boxes) for image in absent))
        found = {name: image for name, image in found.items() if name in present}
    for image in found.values():
        reading.add(image)


def _class_names(folder: Path) -> dict[str, str]:
    """Return the names of the classes by identifier, as the lists of a folder tell them."""
    lists = [path for path in files_with_suffix(folder, '.csv') if is_class_list(first_rows(path, 2))]
    return {row[0]: row[1] for path in lists for _, row in csv_rows(path) if len(row) == 2}
