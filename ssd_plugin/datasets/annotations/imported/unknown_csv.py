"""CSV files in none of the known formats, such as those of most competitions: their columns may mean anything."""

from pathlib import Path
from typing import NoReturn

from ssd_plugin.errors import UserError

from . import open_images_csv, retinanet_csv, tensorflow_csv, via_csv
from .annotation_files import files_with_suffix, first_rows

# A class, an image and a box in one field take as many columns.
LEAST = 3
MAX_NAMED = 12


def recognize(folder: Path) -> list[Path]:
    """Return the CSV files of a folder that may describe boxes, but not in a known format."""
    return [path for path in files_with_suffix(folder, '.csv') if _is_unknown(first_rows(path, retinanet_csv.ROWS))]


def _is_unknown(rows: list[list[str]]) -> bool:
    known = (
        tensorflow_csv.is_header,
        open_images_csv.is_header,
        open_images_csv.is_class_list,
        via_csv.is_header,
        retinanet_csv.has_rows,
    )
    return bool(rows) and len(rows[0]) >= LEAST and not any(is_known(rows) for is_known in known)


def refuse(files: list[Path]) -> NoReturn:
    """Raise an error that names the columns of the first file, and what to do.

    Raises:
        UserError: Always.
    """
    columns = first_rows(files[0], 1)[0]
    named = ', '.join(columns[:MAX_NAMED]) + (', ...' if len(columns) > MAX_NAMED else '')
    raise UserError(
        f'{files[0]} is a CSV with the columns {named}, which do not tell how a box is meant; write it '
        'with the columns filename,width,height,class,xmin,ymin,xmax,ymax (a row for each box, corners in pixels)'
    )
