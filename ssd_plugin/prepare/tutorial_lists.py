"""Data lists of the PyTorch tutorial, written from datasets in VOC's layout.

The files are those of the tutorial's ``create_data_lists``: ``TRAIN_images.json`` and ``TEST_images.json`` with
absolute paths; ``TRAIN_objects.json`` and ``TEST_objects.json`` with ``boxes`` (xyxy in pixels from 0), ``labels``
(from 1) and ``difficulties``; ``label_map.json`` with the number of each class, 0 for the background. Annotations are
read by the rules of :class:`~ssd_plugin.datasets.CheckedVOCDataset`, so that both give the same training.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from mmdet.datasets import VOCDataset
from tqdm import tqdm

from ssd_plugin.datasets.annotations import voc
from ssd_plugin.datasets.annotations.box_rules import unusable
from ssd_plugin.datasets.annotations.tutorial_lists import IMAGES, LABELS, OBJECTS
from ssd_plugin.datasets.unusable_data import MAX_FRACTION, exceeds
from ssd_plugin.datasets.xml_dataset import image_size
from ssd_plugin.errors import UserError
from ssd_plugin.files import locked_folder, part_of, publish

BACKGROUND = 'background'
# Names in one message.
MAX_NAMED = 20


@dataclass(frozen=True)
class ListedImage:
    """An entry of a list of images.

    Attributes:
        list: The list.
        annotation: The XML file.
        image: Returns the image file, given the root of the XML file.
    """

    list: Path
    annotation: Path
    image: Callable[[voc.ET.Element], Path]


@dataclass
class SplitContent:
    """Content of the two lists of a split, and what was found on the way.

    Attributes:
        images: Absolute paths of the images.
        objects: Their objects, in the columns of the format.
        without_objects: Images skipped because they have none.
        unreadable: Annotations skipped because they cannot be read, with the reason.
        other_classes: Number of skipped objects by class name.
        missing_images: Image files that are missing. They are listed, as the XML files list them.
        unusable_boxes: Boxes that training skips, with the reason. They are listed, too.
    """

    images: list[str] = field(default_factory=list)
    objects: list[dict[str, list]] = field(default_factory=list)
    without_objects: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    other_classes: Counter[str] = field(default_factory=Counter)
    missing_images: list[str] = field(default_factory=list)
    unusable_boxes: list[str] = field(default_factory=list)

    def report(self, name: str) -> list[str]:
        """Return lines about the split with a name."""
        difficult = sum(sum(row['difficulties']) for row in self.objects)
        count = sum(len(row['labels']) for row in self.objects)
        lines = [f'{name}: {len(self.images)} images, {count} objects, {difficult} of them difficult']
        repeated = [image for image, times in Counter(self.images).items() if times > 1]
        others = [f'{name} ({count})' for name, count in self.other_classes.most_common()]
        for number, found, what in (
            (len(self.without_objects), self.without_objects, 'image(s) without objects are skipped'),
            (len(self.unreadable), self.unreadable, 'image(s) are skipped because their annotation cannot be read'),
            (self.other_classes.total(), others, 'object(s) of other classes are skipped'),
            (len(self.missing_images), self.missing_images, 'image file(s) are listed, but missing'),
            (len(self.unusable_boxes), self.unusable_boxes, 'box(es) are listed, but cannot be used for training'),
            (len(repeated), repeated, 'image(s) are listed more than once, and count as often'),
        ):
            if found:
                lines.append(f'  {_named(found, what, number)}')
        return lines


def write_lists(
    folders: Sequence[Path],
    out: Path,
    classes: Sequence[str] | None = None,
    splits: tuple[str, str] = ('trainval', 'test'),
    overwrite: bool = False,
    log: Callable[[str], None] = print,
) -> None:
    """Write the lists of datasets in VOC's layout.

    Training images come from all folders, in order; those without an object are skipped. Test images come from the
    folders that have a list of them. Class names are compared without regard to case and surrounding spaces.

    Args:
        folders: Folders with ``Annotations``, ``ImageSets/Main`` and ``JPEGImages``, such as ``VOC2007``.
        out: Folder to write to, created if needed.
        classes: Class names in the order of their numbers. By default VOC's, or if the data has other names, those of
            the data in lower case, sorted.
        splits: Names of the lists for training and for testing.
        overwrite: Whether different lists in the folder are replaced.
        log: Receives messages about what was found and written.

    Raises:
        UserError: A folder or a list is missing, too many annotations cannot be read, or one of a test image; a class
            name cannot be used, or there are none; or the folder has other lists.
    """
    existing = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise UserError(f'{out} cannot be written: {existing} is not a writable folder (--out)')
    train, test = _listed(folders, splits)
    labels = _numbered(_class_names(train + test) if classes is None else classes)
    contents = dict(TRAIN=_read(train, labels, training=True), TEST=_read(test, labels, training=False))
    log(f'{len(labels)} classes: {", ".join(labels)}')
    for name, content in contents.items():
        for line in content.report(name):
            log(line)
    trained = set(contents['TRAIN'].images)
    shared = [image for image in dict.fromkeys(contents['TEST'].images) if image in trained]
    if shared:
        log(_named(shared, 'test image(s) are training images, too, so that the evaluation will be too good'))
    if not contents['TRAIN'].images:
        raise UserError(f'no training image has an object of the classes {", ".join(labels)}')
    files: dict[Path, object] = {out / LABELS: {**labels, BACKGROUND: 0}}
    files |= {out / f'{name}{OBJECTS}': content.objects for name, content in contents.items()}
    # The last ones: see _write.
    files |= {out / f'{name}{IMAGES}': content.images for name, content in contents.items()}
    written = _write({path: json.dumps(content).encode() for path, content in files.items()}, overwrite)
    log(f'{"written to" if written else "already in"} {out}: {", ".join(path.name for path in files)}')


def _named(found: Sequence[str], what: str, number: int | None = None) -> str:
    """Return the first names of a list after their number, which is that of the names unless another is given."""
    more = f', and {len(found) - MAX_NAMED} more' if len(found) > MAX_NAMED else ''
    return f'{len(found) if number is None else number} {what}: {", ".join(found[:MAX_NAMED])}{more}'


def _listed(folders: Sequence[Path], splits: tuple[str, str]) -> tuple[list[ListedImage], list[ListedImage]]:
    """Return the images of the lists for training and for testing.

    Raises:
        UserError: A folder or a list is missing, empty or not text.
    """
    found: tuple[list[ListedImage], list[ListedImage]] = ([], [])
    for folder in map(Path, map(os.path.abspath, folders)):
        if not folder.is_dir():
            raise UserError(f'there is no folder {folder}')
        lists = folder / 'ImageSets/Main'
        files = voc.layout(folder)
        for split, images, required in zip(splits, found, (True, False)):
            path = lists / f'{split}.txt'
            if not path.is_file():
                if required:
                    others = ', '.join(sorted(other.stem for other in lists.glob('*.txt'))) or 'none'
                    raise UserError(f'there is no list {path} (--train-split); lists in its folder: {others}')
                continue
            try:
                lines = voc.list_lines(path.read_bytes())
            except ValueError as error:
                raise UserError(f'the list of images {path} cannot be read: {error}') from error
            images += [
                ListedImage(path, files.annotation(split, name), _image_of(files, split, name))
                for name in voc.listed_names(lines, partial(files.annotation, split))
                if name
            ]
    for split, images, option in zip(splits, found, ('--train-split', '--test-split')):
        if not images:
            raise UserError(f'none of the folders lists an image in ImageSets/Main/{split}.txt ({option})')
    return found


def _image_of(files: voc.Layout, split: str, name: str) -> Callable[[voc.ET.Element], Path]:
    return lambda root: files.image(split, name, root)


def _folded(name: str) -> str:
    """Return a class name in the form in which names are compared."""
    return name.strip().lower()


def _class_names(images: Sequence[ListedImage]) -> Sequence[str]:
    """Return VOC's class names, or those of the annotations, sorted, if others are among them."""
    found: set[str] = set()
    for image in tqdm(images, desc='collecting class names', disable=None):
        try:
            found.update(_folded(node.findtext('name', '')) for node in _root(image).findall('object'))
        except (OSError, voc.InvalidAnnotation):
            # Reported when the objects are read.
            continue
    found.discard('')
    known = VOCDataset.METAINFO['classes']
    return known if found <= set(known) else sorted(found)


def _numbered(classes: Sequence[str]) -> dict[str, int]:
    """Return the numbers of classes from 1.

    Raises:
        UserError: There are no classes, or a name is empty, occurs twice, or is that of the background.
    """
    names = [name.strip() for name in classes]
    folded = [_folded(name) for name in names]
    if not names:
        raise UserError('the annotations have no objects')
    if '' in folded or BACKGROUND in folded or len(set(folded)) < len(folded):
        raise UserError(
            f'class names must differ by more than case, and none may be empty or {BACKGROUND!r}: {", ".join(names)}'
        )
    return {name: number for number, name in enumerate(names, 1)}


def _root(image: ListedImage) -> voc.ET.Element:
    return voc.parse(image.annotation.read_bytes())


def _read(images: Sequence[ListedImage], labels: Mapping[str, int], training: bool) -> SplitContent:
    """Return the content of the lists of a split.

    Args:
        images: Images of the split.
        labels: Numbers of the classes by name.
        training: Whether images without objects, and with an annotation that cannot be read, are skipped.

    Raises:
        UserError: An annotation cannot be read, of a test image or of too many.
    """
    numbers = {_folded(name): number for name, number in labels.items()}
    content = SplitContent()
    boxes: list[tuple[str, voc.VocObject, tuple[int, int]]] = []
    for image in tqdm(images, desc=f'reading {images[0].list.stem}', disable=None):
        try:
            root = _root(image)
            path = image.image(root)
            size = image_size(root, str(path))
            objects, others = voc.training_objects(root, lambda name: _folded(name) in numbers)
        except (OSError, voc.InvalidAnnotation) as error:
            reason = f'{image.annotation}: {error.strerror if isinstance(error, OSError) else error}'
            if not training:
                raise UserError(
                    f'an annotation cannot be read: {reason}. Evaluation skips nothing: restore the file, or remove '
                    f'the image from the list {image.list}'
                ) from error
            content.unreadable.append(reason)
            continue
        content.other_classes.update(others)
        if training and not objects:
            content.without_objects.append(str(path))
            continue
        if not path.is_file():
            content.missing_images.append(str(path))
        content.images.append(str(path))
        content.objects.append(
            dict(
                boxes=[[value - voc.FIRST_PIXEL for value in found.corners] for found in objects],
                labels=[numbers[_folded(found.name)] for found in objects],
                difficulties=[int(found.difficult) for found in objects],
            )
        )
        boxes += [(str(image.annotation), found, size) for found in objects]
    if exceeds(len(content.unreadable), len(images)):
        raise UserError(
            f'{len(content.unreadable)} of {len(images)} annotations cannot be read, more than {MAX_FRACTION:.0%}; the '
            f'first is {content.unreadable[0]}. tools/check_dataset.py lists them, and --fix repairs a copy'
        )
    corners = np.array([found.corners for _, found, _ in boxes], float).reshape(-1, 4) - voc.FIRST_PIXEL
    sizes = np.array([size for *_, size in boxes], float).reshape(-1, 2)
    content.unusable_boxes = [
        f'{boxes[index][0]}: {boxes[index][1].name} {boxes[index][1].corners} ({reason})'
        for reason, mask in unusable(corners, sizes).items()
        for index in mask.nonzero()[0]
    ]
    return content


def _write(contents: Mapping[Path, bytes], overwrite: bool) -> bool:
    """Write files that belong together unless they are there already, and return whether they were written.

    All are written beside their places before the first is renamed. Readers start with a list of images: an interrupted
    replacement leaves none, so that lists that do not match each other are never read. Two processes write one after
    the other.

    Args:
        contents: Content by path, the lists of images last.
        overwrite: Whether files with other content are replaced.

    Raises:
        UserError: There are such files, or a file cannot be written.
    """
    folder = next(iter(contents)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked_folder(folder):
            return _write_locked(contents, overwrite)
    except OSError as error:
        raise UserError(f'the lists cannot be written to {folder}: {error}') from error


def _write_locked(contents: Mapping[Path, bytes], overwrite: bool) -> bool:
    """Write the files while no other process writes to their folder; see :func:`_write`."""
    present = {path: path.read_bytes() for path in contents if path.is_file()}
    if present == contents:
        return False
    different = [path.name for path, data in present.items() if data != contents[path]]
    if different and not overwrite:
        folder = next(iter(contents)).parent
        raise UserError(
            f'{folder} has other lists ({", ".join(different)}); give another --out, or replace them with --overwrite'
        )
    try:
        for path, data in contents.items():
            part_of(path).write_bytes(data)
        for path in contents:
            if path.name.endswith(IMAGES):
                path.unlink(missing_ok=True)
        for path in contents:
            publish(path)
    finally:
        for path in contents:
            part_of(path).unlink(missing_ok=True)
    return True
