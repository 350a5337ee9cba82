"""RetinaNet CSV: a row path, x1, y1, x2, y2, class for each box, without a header; a path alone means no object.

https://github.com/fizyr/keras-retinanet#csv-datasets
"""

from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.datasets.image_files import SUFFIXES
from ssd_plugin.errors import first_line

from .annotation_files import csv_rows, files_with_suffix, first_rows
from .reading import DrawnBox, DrawnImage, Reading, class_name, number
from .split_names import split_of_path

FORMAT = 'RetinaNet CSV'
COLUMNS = 6
# Rows that must look like this format.
ROWS = 20


def recognize(folder: Path) -> list[Path]:
    """Return the CSV files of a folder whose first rows are those of this format."""
    return [path for path in files_with_suffix(folder, '.csv') if has_rows(first_rows(path, ROWS))]


def has_rows(rows: list[list[str]]) -> bool:
    """Return whether some rows are all those of this format."""
    return bool(rows) and all(map(_is_row, rows))


def _is_row(row: list[str]) -> bool:
    if len(row) != COLUMNS or not row[0].lower().endswith(SUFFIXES):
        return False
    try:
        return not any(row[1:]) or bool([number(value) for value in row[1:5]])
    except ValueError:
        return False


def read(root: Path, files: list[Path], images: Path | None = None) -> LabeledSet:
    """Read the images of CSV files.

    Args:
        root: Folder of the dataset.
        files: The CSV files.
        images: Folder of the images, ``None`` to find them in the dataset.

    Raises:
        UserError: A file cannot be read, or no image can be used.
    """
    reading = Reading(FORMAT, root, images)
    for file in files:
        found: dict[str, DrawnImage] = {}
        split = split_of_path(file, reading.root)
        for line, row in csv_rows(file):
            where, name = f'{file}:{line}', row[0]
            if name not in found:
                found[name] = reading.add(DrawnImage([name], file, f'{where} ({name})', split=split))
            if not any(row[1:]):
                continue
            try:
                if len(row) != COLUMNS:
                    raise ValueError(f'it has {len(row)} columns, not {COLUMNS}')
                x1, y1, x2, y2 = map(number, row[1:5])
                found[name].boxes.append(DrawnBox(class_name(row[5]), (x1, y1, x2, y2), where))
            except ValueError as error:
                reading.leave_out('incomplete object', where, first_line(error), boxes=1)
    return reading.labeled_set()
