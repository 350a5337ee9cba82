"""Tell what a folder is, by the content of its files."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from ssd_plugin.datasets.annotations.imported import unknown_csv
from ssd_plugin.errors import UnusableData, UserError, nearest

from .folder_dataset import Candidate, FolderDataset
from .registry import RECOGNIZERS, titles
from .scan import Scan

# Keys of a JSON file that a message names.
MOST_KEYS = 5


def describe(
    folder: Path,
    format: str | None = None,  # noqa: A002 - the option of the tools has this name
    annotations: Path | None = None,
    images: Path | None = None,
    class_attribute: str | None = None,
) -> FolderDataset:
    """Tell what a folder with images and annotations is, whatever its files and folders are called.

    Where the same objects are described twice, one description is read and the others are named.

    Args:
        folder: The folder, or one file with annotations in it.
        format: Key of the format (:data:`RECOGNIZERS`), ``None`` for any.
        annotations: File or folder of the annotations, ``None`` to look in the whole folder.
        images: Folder of the images, ``None`` to look in the whole folder.
        class_attribute: The attribute with the class, for formats whose objects have several.

    Raises:
        UserError: It is nothing that can be read, or several things; the message names them and the option that
            decides.
    """
    if folder.is_file() and annotations is None:
        folder, annotations = folder.parent, folder
    _check_arguments(folder, format, annotations, images)
    scan = Scan(folder, annotations, images, class_attribute)
    candidates = [
        candidate
        for key, recognizer in RECOGNIZERS.items()
        if format in (None, key)
        for candidate in recognizer.recognize(scan)
    ]
    if not candidates:
        tables = unknown_csv.recognize(scan.annotations) if format is None else []
        if tables:
            unknown_csv.refuse(tables)
        raise UserError(_nothing(scan, format))
    try:
        found = [replace(candidate.read(), others=candidate.unread) for candidate in candidates]
    except UnusableData as error:
        raise UserError(str(error)) from error
    for dataset in found:
        _check_images(dataset)
    contents = [_objects_of_images(dataset) for dataset in found]
    for dataset, content in zip(found, contents):
        if all(other.items() <= content.items() for other in contents):
            others = [str(candidate) for candidate, other in zip(candidates, found) if other is not dataset]
            return replace(dataset, others=(*dataset.others, *others))
    raise UserError(_ambiguous(folder, candidates, contents))


def _check_arguments(folder: Path, key: str | None, annotations: Path | None, images: Path | None) -> None:
    """Check that the folders exist and that the format is known.

    Raises:
        UserError: One does not.
    """
    if not folder.is_dir():
        raise UserError(f'{folder} holds no dataset: there is no such folder')
    if key is not None and key not in RECOGNIZERS:
        raise UserError(f'--format {key} is not known{nearest(key, RECOGNIZERS)}')
    if annotations is not None and not annotations.exists():
        raise UserError(f'--annotations {annotations}: there is no such file or folder')
    if images is not None and not images.is_dir():
        raise UserError(f'--images {images}: there is no such folder')


def _check_images(dataset: FolderDataset) -> None:
    """Check that a description has an image that exists.

    Raises:
        UserError: It has none; the message is the first issue found.
    """
    if any(image.path.is_file() for _, annotations in dataset.sources for image in annotations.images):
        return
    issue = next((issue for _, annotations in dataset.sources for issue in annotations.issues), None)
    reason = issue or f'{dataset.annotations} names none'
    raise UserError(f'{dataset.root} holds {dataset.title} without an image that can be used: {reason}')


def _objects_of_images(dataset: FolderDataset) -> dict[Path, int]:
    """Return the number of objects of each image that has some."""
    counts: Counter[Path] = Counter()
    for _, annotations in dataset.sources:
        for image in annotations.images:
            counts[image.path] += len(image.boxes)
    return {path: count for path, count in counts.items() if count}


def _nothing(scan: Scan, key: str | None) -> str:
    """Return the message for a folder without annotations that are known."""
    wanted = RECOGNIZERS[key].title if key else titles()
    has_images = f'{len(scan.images)} images, but' if scan.images else 'neither images nor'
    text = f'{scan.annotations} holds no dataset: there are {has_images} annotations in a known format ({wanted})'
    text = text.replace('but annotations', 'but no annotations')
    other = next((path for path in scan.with_suffix('.json')), None)
    return f'{text}; {_kind_of_json(other)}' if other else text


def _kind_of_json(path: Path) -> str:
    """Return a clause that says what a JSON file holds."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return f'{path} is not valid JSON'
    if isinstance(content, dict):
        keys = [str(key) for key in content]
        more = ', ...' if len(keys) > MOST_KEYS else ''
        return f'{path} has the keys {", ".join(keys[:MOST_KEYS])}{more}' if keys else f'{path} is empty'
    return f'{path} is a {type(content).__name__}'


def _ambiguous(folder: Path, candidates: list[Candidate], contents: list[dict[Path, int]]) -> str:
    """Return the message for a folder with several descriptions that differ."""
    listed = '; '.join(
        f'{candidate} ({sum(content.values())} objects in {len(content)} images)'
        for candidate, content in zip(candidates, contents)
    )
    formats = {candidate.format for candidate in candidates}
    option = '--format' if len(formats) == len(candidates) else '--annotations'
    return f'{folder} is described in several ways that differ: {listed}. Choose one with {option}'
