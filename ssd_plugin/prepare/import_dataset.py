"""Labeled sets of any labeling tool, written once as COCO's JSON, one file for each split.

Neither images nor annotations of the source are changed or copied.
"""

import json
from collections.abc import Callable
from pathlib import Path

from ssd_plugin.datasets.annotations.imported.coco_json import CONTRIBUTOR, content_of, encoded
from ssd_plugin.datasets.annotations.imported.report import report
from ssd_plugin.datasets.annotations.labeled_set import LabeledImage, LabeledSet
from ssd_plugin.errors import UserError, first_line
from ssd_plugin.files import check_folder, write_atomically

# The file of images without a split.
ALL = 'all'


def import_to_coco(labeled: LabeledSet, target_folder: Path, log: Callable[[str], None] = print) -> dict[str, Path]:
    """Write a labeled set as COCO's JSON, and report what was found, taken and left out.

    The same set gives the same bytes. A file of an earlier import is replaced.

    Args:
        labeled: The set.
        target_folder: Folder to write to, created if needed, outside of the dataset.
        log: Receives the report, line by line.

    Returns:
        The file of each split: ``SPLIT.json``, with the key and the name ``'all'`` for images without a split.

    Raises:
        UserError: The folder is inside the dataset or cannot be written, or has another file of the same name.
    """
    if target_folder.resolve().is_relative_to(labeled.root.resolve()):
        raise UserError(
            f'{target_folder} is inside the dataset {labeled.root}, where nothing is written; name another folder'
        )
    check_folder(target_folder, 'for the imported annotations')
    splits: dict[str, list[LabeledImage]] = {}
    for image in labeled.images:
        splits.setdefault(image.split or ALL, []).append(image)
    files = {split: target_folder / f'{_file_stem(split)}.json' for split in splits}
    if len(set(files.values())) < len(files):
        raise UserError(f'the splits {", ".join(splits)} of {labeled.root} cannot be told apart by file names')
    contents = {split: encoded(content_of(labeled, images)) for split, images in splits.items()}
    for path in files.values():
        _check_ours(path)
    for line in report(labeled):
        log(line)
    target_folder.mkdir(parents=True, exist_ok=True)
    for split, path in files.items():
        data, images = contents[split], splits[split]
        is_new = not path.exists() or path.read_bytes() != data
        if is_new:
            write_atomically(path, lambda file, data=data: file.write(data))
        boxes = sum(len(image.boxes) for image in images)
        log(f'  {split}: {len(images)} images, {boxes} boxes; {"written to" if is_new else "already in"} {path}')
    return files


def _file_stem(split: str) -> str:
    """Return the name of a split as that of a file."""
    return ''.join(letter if letter.isalnum() or letter in '-_. ' else '_' for letter in split).strip('. ') or '_'


def _check_ours(path: Path) -> None:
    """Check that a file is missing, or one of an earlier import.

    Raises:
        UserError: It is another file.
    """
    if not path.exists():
        return
    try:
        content = json.loads(path.read_bytes())
        is_ours = isinstance(content, dict) and (content.get('info') or {}).get('contributor') == CONTRIBUTOR
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        raise UserError(f'{path} exists and is no imported annotation ({first_line(error)}); move it away') from error
    if not is_ours:
        raise UserError(
            f'{path} exists and is not from an import of {CONTRIBUTOR}; move it away, or name another folder'
        )
