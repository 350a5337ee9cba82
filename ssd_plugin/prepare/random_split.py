"""A random split of a folder in VOC's layout that has no lists of images."""

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from ssd_plugin.datasets.annotations import voc
from ssd_plugin.datasets.image_files import files_by_stem
from ssd_plugin.errors import UserError
from ssd_plugin.files import md5_of, write_atomically


def write_split(
    root: Path,
    fraction: float = 0.2,
    seed: int = 0,
    splits: tuple[str, str] = ('trainval', 'test'),
    log: Callable[[str], None] = print,
) -> None:
    """Write the lists of a random split into training and test images.

    All images that have an annotation are listed. Files with the same bytes are on the same side, so that no training
    image is tested with.

    Args:
        root: Folder with ``Annotations`` and ``JPEGImages``.
        fraction: Fraction of the images for testing, between 0 and 1.
        seed: Seed of the random numbers: the same images are split in the same way.
        splits: Names of the lists of training and of test images.
        log: Receives messages about what was found and written.

    Raises:
        UserError: The folder lacks images or annotations or has lists already, or a side would be empty.
    """
    lists = [voc.list_of(root, split) for split in splits]
    annotated = {path.stem for path in (root / 'Annotations').glob('*.xml')}
    files = files_by_stem(root / 'JPEGImages')
    names = sorted(annotated & files.keys())
    existing = [str(path) for path in lists if path.exists()]
    if not 0 < fraction < 1:
        raise UserError(f'--test {fraction}: the fraction of test images must be between 0 and 1')
    if splits[0] == splits[1]:
        raise UserError(f'the lists of training and of test images have the same name, {splits[0]}')
    if not names:
        raise UserError(f'{root} has no images to list: Annotations/NAME.xml with JPEGImages/NAME.jpg')
    if existing:
        raise UserError(f'{" and ".join(existing)} exists already; remove it, or name others (--train-split, ...)')
    copies = defaultdict(list)
    for name in tqdm(names, desc='reading images', disable=None):
        copies[md5_of(root / 'JPEGImages' / files[name])].append(name)
    groups = list(copies.values())
    random.Random(seed).shuffle(groups)
    wanted = max(round(fraction * len(names)), 1)
    test: set[str] = set()
    for group in groups:
        if len(test) + len(group) <= wanted:
            test.update(group)
    sides = [[name for name in names if name not in test], sorted(test)]
    if not all(sides):
        raise UserError(f'{root} has too few different images to split: {len(groups)}')
    lists[0].parent.mkdir(parents=True, exist_ok=True)
    for path, listed in zip(lists, sides):
        content = ''.join(f'{name}\n' for name in listed).encode()
        write_atomically(path, lambda file, content=content: file.write(content))
        log(f'{path}: {len(listed)} images')
    unlisted = len(annotated ^ files.keys())
    if unlisted:
        log(f'{unlisted} file(s) are not listed: images without annotation, or annotations without image')
