"""Annotation files of a folder: which ones there are, and their text, whatever wrote it."""

import codecs
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssd_plugin.errors import UserError, first_line

# Folders below the dataset's own that are searched for annotations: train/labels/json.
DEPTH = 3
# Delimiters of CSV files; spreadsheets of some languages write semicolons.
DELIMITERS = ',;\t'
# A field may hold the points of a large polygon.
csv.field_size_limit(1 << 27)


def files_with_suffix(folder: Path, suffix: str) -> list[Path]:
    """Return the files with a suffix (in any case) in a folder and the folders up to :data:`DEPTH` below, sorted."""
    if folder.is_file():
        return [folder] if folder.suffix.lower() == suffix else []
    found: list[Path] = []
    for base, folders, names in os.walk(folder):
        depth = len(Path(base).relative_to(folder).parts)
        folders[:] = [name for name in folders if not name.startswith('.')] if depth < DEPTH else []
        found += [Path(base, name) for name in names if name.lower().endswith(suffix) and not name.startswith('.')]
    return sorted(found)


def decoded(data: bytes) -> str:
    """Return text that is UTF-8 or UTF-16 by its byte order mark, or else UTF-8 or Windows-1252."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode('utf-16', errors='replace')
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError:
        return data.decode('cp1252', errors='replace')


def head(path: Path, size: int) -> str:
    """Return the text of the first bytes of a file; empty if it cannot be read."""
    try:
        with open(path, 'rb') as file:
            data = file.read(size)
    except OSError:
        return ''
    # The last character may be cut.
    return (
        decoded(data)
        if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        else data.decode('utf-8-sig', errors='replace')
    )


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        UserError: It cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise UserError(f'{path}:{error.lineno} is not valid JSON: {error.msg}, column {error.colno}') from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f'{path} cannot be read: {first_line(error)}') from error


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Return the line numbers and the stripped fields of the rows of a CSV file that are not empty.

    Raises:
        UserError: It cannot be read, or is not CSV.
    """
    try:
        text = decoded(path.read_bytes())
    except OSError as error:
        raise UserError(f'{path} cannot be read: {first_line(error)}') from error
    yield from _rows(text, path)


def first_rows(path: Path, number: int, size: int = 1 << 14) -> list[list[str]]:
    """Return up to a number of rows from the first bytes of a CSV file; none if it is not CSV."""
    text = head(path, size)
    if len(text) >= size and '\n' in text:
        # The last row is cut.
        text = text[: text.rindex('\n')]
    try:
        return [row for _, row in zip(range(number), (row for _, row in _rows(text, path)))]
    except UserError:
        return []


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    first = text.lstrip().partition('\n')[0]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=max(DELIMITERS, key=first.count))
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, [field.strip() for field in row]
    except csv.Error as error:
        raise UserError(f'{path}:{reader.line_num} is not valid CSV: {error}') from error
