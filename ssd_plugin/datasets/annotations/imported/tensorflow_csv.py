"""TensorFlow CSV: one row for each box, with corners in pixels, made from VOC's XML.

Roboflow writes continuous coordinates from 0, as most do; a file in which boxes end one pixel behind an image, and none
begins before 1, counts from 1.
"""

from pathlib import Path

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.errors import first_line

from .annotation_files import csv_rows, files_with_suffix, first_rows
from .reading import DrawnBox, DrawnImage, Reading, class_name, number, size_of
from .split_names import split_of_path

FORMAT = 'TensorFlow CSV'
CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
COLUMNS = frozenset(['filename', 'width', 'height', 'class', *CORNERS])


def recognize(folder: Path) -> list[Path]:
    """Return the CSV files of a folder whose header names the columns."""
    return [path for path in files_with_suffix(folder, '.csv') if is_header(first_rows(path, 1))]


def is_header(rows: list[list[str]]) -> bool:
    """Return whether the first of some rows is the header of this format."""
    return bool(rows) and {name.lower() for name in rows[0]} >= COLUMNS


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
        drawn = _read_file(reading, file)
        if _counts_from_1(drawn):
            reading.leave_out('counted from 1', str(file), 'coordinates count pixels from 1; 1 is subtracted from all')
            for image in drawn:
                image.boxes = [_shifted(box) for box in image.boxes]
    return reading.labeled_set()


def _read_file(reading: Reading, file: Path) -> list[DrawnImage]:
    """Add the images of a file, and return them."""
    rows = csv_rows(file)
    header = [name.lower() for name in next(rows)[1]]
    found: dict[str, DrawnImage] = {}
    for line, row in rows:
        fields = dict(zip(header, row))
        where, name = f'{file}:{line}', fields['filename']
        if name not in found:
            size = size_of(fields.get('width'), fields.get('height'))
            split = split_of_path(file, reading.root)
            found[name] = reading.add(DrawnImage([name], file, f'{where} ({name})', size=size, split=split))
        if not any(fields.get(key) for key in CORNERS):
            continue
        try:
            x1, y1, x2, y2 = (number(fields.get(key)) for key in CORNERS)
            found[name].boxes.append(DrawnBox(class_name(fields.get('class')), (x1, y1, x2, y2), where))
        except ValueError as error:
            reading.leave_out('incomplete object', where, first_line(error), boxes=1)
    return list(found.values())


def _counts_from_1(images: list[DrawnImage]) -> bool:
    lowest = min((min(box.corners) for image in images for box in image.boxes), default=0)
    beyond = {
        box.corners[2 + axis] - image.size[axis]
        for image in images
        if image.size
        for box in image.boxes
        for axis in (0, 1)
    }
    return lowest >= 1 and max(beyond, default=0) == 1


def _shifted(box: DrawnBox) -> DrawnBox:
    x1, y1, x2, y2 = box.corners
    return DrawnBox(box.name, (x1 - 1, y1 - 1, x2 - 1, y2 - 1), box.where)
