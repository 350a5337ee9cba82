"""The splits that a new config trains, validates and tests with: those of a folder, or new ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_plugin.datasets.annotations.records import AnnotatedImage
from ssd_plugin.datasets.folders.folder_dataset import FolderDataset
from ssd_plugin.errors import UserError
from ssd_plugin.prepare.grouped_split import duplicate_groups, split


@dataclass(frozen=True)
class Split:
    """What training, validation and test read.

    Attributes:
        datasets: Config of the dataset of each of ``'train'``, ``'val'`` and ``'test'``.
        training: The training images.
        about: What the splits are, in words.
    """

    datasets: dict[str, dict[str, Any]]
    training: tuple[AnnotatedImage, ...]
    about: str


def choose_splits(
    data: FolderDataset, path: Path, fraction: float, seed: int, write: Callable[[Path, bytes], None]
) -> Split:
    """Choose the splits of a folder to train, validate and test with, or make them.

    Args:
        data: The folder.
        path: The config, beside which new lists are written.
        fraction: Fraction of the images for validation, where there is no split for it.
        seed: Seed of a new split.
        write: Writes a new file.

    Raises:
        UserError: There are too few images to split, or a split has no objects.
    """
    names = data.splits
    if {'trainval', 'test'} <= names.keys():
        roles = dict(train='trainval', val='test', test='test')
        about = 'It trains on the split trainval and evaluates on test, as usual with VOC'
    elif 'train' in names and names.keys() & {'val', 'test'}:
        evaluated = 'val' if 'val' in names else 'test'
        roles = dict(train='train', val=evaluated, test='test' if 'test' in names else evaluated)
        about = f'It trains on the split train, validates on {roles["val"]} and tests on {roles["test"]}'
    else:
        return _new_split(data, path, fraction, seed, write)
    images = {name: names[name].images for name in roles.values()}
    trained = {image.path for image in images[roles['train']]}
    for name in {roles['val'], roles['test']}:
        shared = [image.path for image in images[name] if image.path in trained]
        if shared:
            raise UserError(
                f'the splits {roles["train"]} and {name} of {data.root} share {len(shared)} images, such as '
                f'{shared[0]}; remove them from one of the two'
            )
    datasets = {}
    for name, found in images.items():
        if not any(image.boxes for image in found):
            raise UserError(f'the split {name} of {data.root} has no image with an object')
        datasets[name] = names[name].dataset or _written(data, found, path, name, write)
    return Split({role: datasets[name] for role, name in roles.items()}, images[roles['train']], about)


def _new_split(
    data: FolderDataset, path: Path, fraction: float, seed: int, write: Callable[[Path, bytes], None]
) -> Split:
    """Split the images of a folder at random."""
    # Splits may overlap.
    by_path = {image.path: image for found in data.splits.values() for image in found.images}
    images = [by_path[file] for file in sorted(by_path)]
    names = [[box.name for box in image.boxes] for image in images]
    groups = duplicate_groups([image.path for image in images])
    chosen = split(names, groups, fraction, seed)
    sides = {
        'train': tuple(image for image, held in zip(images, chosen) if not held),
        'val': tuple(image for image, held in zip(images, chosen) if held),
    }
    for name, side in sides.items():
        if not any(image.boxes for image in side):
            raise UserError(
                f'{data.root} cannot be split: of its {len(images)} images, {sum(map(bool, names))} have objects and '
                f'{len(set(groups))} differ; {name} would have none with an object. Add images, or make splits by hand'
            )
    datasets = {name: _written(data, side, path, name, write) for name, side in sides.items()}
    alike = len(groups) - len(set(groups))
    about = (
        f'{data.root} has no splits: {len(sides["val"])} of its {len(images)} images, drawn with seed {seed} and with '
        'each class in proportion, are for validation'
        + (f'; {alike} images that look like another one are on its side' if alike else '')
    )
    return Split(dict(datasets, test=datasets['val']), sides['train'], about)


def _written(
    data: FolderDataset, images: Sequence[AnnotatedImage], path: Path, name: str, write: Callable[[Path, bytes], None]
) -> dict[str, Any]:
    """Write the list of a split beside the config, and return the config of its dataset."""
    part = data.part(images, path.with_name(f'{path.stem}_{name}{data.suffix}'))
    for file, content in part.files.items():
        write(file, content)
    return part.dataset
