"""Issues of a dataset in any format. Each check also repairs the annotation in memory, for ``--fix`` to write."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import combinations, product
from pathlib import Path

import numpy as np

from ssd_plugin.datasets.annotations.box_rules import NO_AREA, NOT_FINITE, OUTSIDE, SWAPPED, unusable, usable
from ssd_plugin.datasets.annotations.drawn_sizes import fits, fits_only, scale_factors, scaled
from ssd_plugin.datasets.annotations.records import LEAK, NESTED, AnnotatedBox, AnnotatedImage, Annotations, Issue
from ssd_plugin.datasets.transforms.image_decoding import UPRIGHT, rotate_boxes

from .image_scan import FileFacts

NOT_READ = FileFacts()
CONSEQUENCE = 'evaluation would see a training image'


def find(annotations: Annotations, files: dict[Path, FileFacts], few: int) -> list[Issue]:
    """Return all issues of a dataset, except duplicate images: see :func:`duplicate_images`.

    Args:
        annotations: The annotations, whose own issues come first.
        files: Properties of the image files; empty if they were not read.
        few: Number of objects below which a class is reported as rare.
    """
    issues = list(annotations.issues)
    known = None if annotations.classes is None else set(annotations.classes)
    for image in annotations.images:
        facts = files.get(image.path, NOT_READ)
        issues += _file_issues(image, facts, annotations.evaluates(image))
        issues += _size_issues(image, facts, annotations.first_pixel, annotations.scales)
        issues += _box_issues(image, annotations.first_pixel)
        issues += _duplicate_boxes(image)
        issues += _in_two_splits(annotations, image)
        if known:
            issues += [issue for box in image.boxes for issue in _class_issues(box, known)]
        if not image.boxes:
            issues.append(Issue('no objects', image.where, f'{image.path.name} has no objects; most configs skip it'))
    return issues + _rare_classes(annotations, few)


def _file_issues(image: AnnotatedImage, facts: FileFacts, evaluated: bool) -> list[Issue]:
    """Report an image file that cannot be used."""
    if not facts.missing and not facts.unreadable:
        return []
    image.drop()
    kind = 'missing image' if facts.missing else 'unreadable image'
    text = 'is missing' if facts.missing else f'cannot be read: {facts.unreadable}'
    # Training takes another image; evaluation finds none of its objects.
    return [Issue(f'{kind} in evaluation' if evaluated else kind, image.where, f'{image.path} {text}')]


def _size_issues(image: AnnotatedImage, facts: FileFacts, first_pixel: int, scales: bool) -> list[Issue]:
    """Compare the annotated size with that of the image file, and find boxes that ignore its EXIF rotation.

    Boxes of a copy with another resolution are scaled.
    """
    size, stored, annotated = facts.size, facts.stored_size, image.size
    if size is None or stored is None or (annotated == size and facts.orientation == UPRIGHT):
        return []
    corners = _corners(image)
    name, is_rotated = image.path.name, facts.orientation != UPRIGHT
    by_size = annotated == stored != size and not fits_only(corners, size, stored)
    if is_rotated and (by_size or (annotated is None and fits_only(corners, stored, size))):
        _move_boxes(image, rotate_boxes(corners, facts.orientation, size, first_pixel))
        _set_size(image, size)
        text = (
            f'{name} is rotated to {size[0]}x{size[1]} pixels by its EXIF orientation {facts.orientation}, but its '
            'boxes are not; --fix rotates them'
        )
        return [Issue('EXIF rotation not applied', image.where, text)]
    factors = scale_factors(corners - first_pixel, annotated, size)
    if annotated is not None and factors is not None and factors != (1, 1):
        _move_boxes(image, scaled(corners, factors, first_pixel))
        _set_size(image, size)
        text = (
            f'{name} has {size[0]}x{size[1]} pixels, but its boxes are those of an image of '
            f'{annotated[0]}x{annotated[1]}; {"training" if scales else "--fix"} scales them'
        )
        return [Issue('scaled boxes' if scales else 'wrong size', image.where, text)]
    if annotated is not None and fits_only(corners, annotated, size):
        image.drop()
        text = (
            f'{name} has {size[0]}x{size[1]} pixels, but is annotated with {annotated[0]}x{annotated[1]}, and its '
            'boxes fit that size only: they belong to another version of the image, which --fix drops'
        )
        return [Issue('wrong size', image.where, text)]
    _set_size(image, size)
    if is_rotated and (annotated is None or stored == size):
        text = (
            f'{name} has the EXIF orientation {facts.orientation}, and its annotation does not tell whether the boxes '
            'are those of the rotated image; tools/browse_dataset.py shows them'
        )
        return [Issue('EXIF rotation unclear', image.where, text)]
    if annotated is None or annotated == size:
        return []
    swapped = '; are width and height swapped?' if annotated == size[::-1] else ''
    text = f'{name} has {size[0]}x{size[1]} pixels, but is annotated with {annotated[0]}x{annotated[1]}{swapped}'
    return [Issue('wrong size', image.where, text)]


def _move_boxes(image: AnnotatedImage, corners: np.ndarray) -> None:
    """Replace the boxes of an image by others, ``(N, 4)`` xyxy."""
    for box, (x1, y1, x2, y2) in zip(image.boxes, corners.tolist()):
        box.corners = x1, y1, x2, y2
        box.set_corners(box.corners)


def _set_size(image: AnnotatedImage, size: tuple[int, int]) -> None:
    if image.size != size:
        image.size = size
        image.set_size(size)


def _corners(image: AnnotatedImage) -> np.ndarray:
    """Return the boxes of an image, ``(N, 4)`` xyxy as annotated."""
    return np.array([box.corners for box in image.boxes], dtype=float).reshape(-1, 4)


def _box_issues(image: AnnotatedImage, first_pixel: int) -> list[Issue]:
    """Find invalid boxes, and boxes that end beyond the image."""
    size, corners = image.size, _corners(image)
    masks = unusable(corners - first_pixel, size)
    beyond = np.zeros(len(corners), bool) if size is None else ~fits(corners, size)
    issues, kept = [], []
    for index, box in enumerate(image.boxes):
        kind = next((reason for reason, mask in masks.items() if mask[index]), None)
        if kind is None:
            kept.append(box)
            if size is not None and beyond[index]:
                issues += _beyond(box, size, first_pixel)
            continue
        issues.append(Issue(kind, box.where, f'{box.name} has the box {_text(box.corners)}{_reason(kind, size)}'))
        x1, y1, x2, y2 = box.corners
        box.corners = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
        whole_image = (np.inf, np.inf) if size is None else size
        if kind == SWAPPED and usable(np.array([box.corners]) - first_pixel, whole_image)[0]:
            box.set_corners(box.corners)
            kept.append(box)
            # One issue a box is enough, but the repaired box is clipped, too.
            if size is not None and beyond[index]:
                _beyond(box, size, first_pixel)
        else:
            box.drop()
    image.boxes[:] = kept
    return issues


def _reason(kind: str, size: tuple[int, int] | None) -> str:
    """Return the end of a sentence that says why a box is unusable."""
    if kind == OUTSIDE:
        of_size = '' if size is None else f' of {size[0]}x{size[1]} pixels'
        return f', which is completely outside the image{of_size}'
    return {
        NOT_FINITE: ', which is not finite',
        SWAPPED: ', whose second corner is left of or above the first',
        NO_AREA: ', which has no area',
    }[kind]


def _beyond(box: AnnotatedBox, size: tuple[int, int], first_pixel: int) -> list[Issue]:
    """Report and clip a box that ends beyond the image."""
    x1, y1, x2, y2 = box.corners
    clipped = max(x1, first_pixel), max(y1, first_pixel), min(x2, size[0]), min(y2, size[1])
    if clipped[0] < clipped[2] and clipped[1] < clipped[3]:
        box.set_corners(clipped)
    else:
        box.drop()
    text = f'{box.name} has the box {_text(box.corners)}, which ends beyond the image of {size[0]}x{size[1]} pixels'
    return [Issue('beyond the image', box.where, text)]


def _duplicate_boxes(image: AnnotatedImage) -> list[Issue]:
    """Find repetitions of the same box with the same class."""
    first: dict[tuple, str] = {}
    issues = []
    for box in image.boxes:
        key = box.name, box.corners
        if key in first:
            text = f'{box.name} {_text(box.corners)} is the same as {first[key]}'
            issues.append(Issue('duplicate box', box.where, text))
            box.drop()
        first.setdefault(key, box.where)
    return issues


def _class_issues(box: AnnotatedBox, known: set[str]) -> list[Issue]:
    """Report a class that is not known; differences in case and surrounding spaces are repaired."""
    if box.name in known:
        return []
    intended = {name.casefold(): name for name in known}.get(box.name.strip().casefold())
    if intended:
        box.set_name(intended)
    suggestion = f'; did you mean {intended!r}?' if intended else ''
    return [Issue('unknown class', box.where, f'{box.name!r} is not a class of the config{suggestion}')]


def _leak(
    annotations: Annotations, image: AnnotatedImage, others: Annotations, other: AnnotatedImage
) -> tuple[str, str] | None:
    """Return a split with which training reads the first image and one with which evaluation reads the second."""
    trained, evaluated = image.splits & annotations.roles.trained, other.splits & others.roles.evaluated
    pairs = sorted(product(trained, evaluated))
    # A config that names one split twice is an issue of its own.
    same = {(split, split) for split in trained} if annotations is others else set()
    return next((pair for pair in pairs if pair not in annotations.roles.nested | same), None)


def _in_two_splits(annotations: Annotations, image: AnnotatedImage) -> list[Issue]:
    """Report an image in two splits that should not share any."""
    leak = _leak(annotations, image, annotations, image)
    if leak:
        return [Issue(LEAK, image.where, f'{image.path.name} is in {leak[0]} and in {leak[1]}: {CONSEQUENCE}')]
    # With a config, the other lists of a folder do not matter.
    roles = annotations.configured
    splits = image.splits if roles is None else image.splits & (roles.trained | roles.evaluated)
    pairs = [pair for pair in combinations(sorted(splits), 2) if pair not in NESTED]
    return (
        [Issue('in two splits', image.where, f'{image.path.name} is in {" and in ".join(pairs[0])}')] if pairs else []
    )


def duplicate_images(datasets: Iterable[Annotations], files: dict[Path, FileFacts]) -> list[Issue]:
    """Find image files with different names and the same bytes, and images that training and evaluation share.

    Args:
        datasets: The annotations of one dataset, or of several. Images in two splits of one dataset are those of
            :func:`find`.
        files: Properties of the image files.
    """
    # By content, or by path for files that were not read: an image of each dataset and combination of splits.
    seen: dict[str | Path, dict[tuple, tuple[Annotations, AnnotatedImage]]] = defaultdict(dict)
    reported: set[frozenset[Path]] = set()
    issues = []
    for number, annotations in enumerate(datasets):
        for image in annotations.images:
            alike = seen[files.get(image.path, NOT_READ).digest or image.path]
            found = _repetition(annotations, image, alike.values())
            if found and found[0] not in reported:
                reported.add(found[0])
                issues.append(found[1])
            alike.setdefault((number, *sorted(image.splits)), (annotations, image))
    return issues


def _repetition(
    annotations: Annotations, image: AnnotatedImage, alike: Collection[tuple[Annotations, AnnotatedImage]]
) -> tuple[frozenset[Path], Issue] | None:
    """Return the files and the issue of an image with the content of an earlier one, first of all of a leak."""
    for others, other in alike:
        leak = _leak(annotations, image, others, other) or _leak(others, other, annotations, image)
        # An image of one dataset may be in several splits.
        if leak and (others is not annotations or other.path != image.path):
            text = (
                f'{image.path} is in {leak[0]} and in {leak[1]}'
                if other.path == image.path
                else f'{image.path} has the same bytes as {other.path}; one is in {leak[0]}, the other in {leak[1]}'
            )
            return frozenset([image.path, other.path]), Issue(LEAK, image.where, f'{text}: {CONSEQUENCE}')
    paths = [other.path for _, other in alike]
    if not paths or image.path in paths:
        return None
    text = f'{image.path} has the same bytes as {paths[0]}'
    return frozenset([image.path, paths[0]]), Issue('duplicate image', image.where, text)


def _rare_classes(annotations: Annotations, few: int) -> list[Issue]:
    counts = Counter(box.name for image in annotations.images for box in image.boxes)
    names = tuple(counts) if annotations.classes is None else annotations.classes
    return [
        Issue('rare class', 'all images', f'{name} has {counts[name]} objects') for name in names if counts[name] < few
    ]


def _text(corners: tuple[float, ...]) -> str:
    return '(' + ', '.join(f'{value:g}' for value in corners) + ')'
