"""What an import found, took and left out, and why."""

from collections import Counter
from collections.abc import Iterable

from ssd_plugin.datasets.annotations.labeled_set import LabeledSet
from ssd_plugin.datasets.annotations.records import KINDS, Issue

from .reading import LeftOut

# Names and classes in one message.
MAX_NAMED, MAX_CLASSES = 3, 20


def report(labeled: LabeledSet) -> list[str]:
    """Return lines about what a labeled set holds and what was left out of it, without its splits."""
    lost = [issue for issue in labeled.issues if isinstance(issue, LeftOut)]
    boxes = [box for image in labeled.images for box in image.boxes]
    images_found = len(labeled.images) + sum(issue.images for issue in lost)
    boxes_found = len(boxes) + sum(issue.boxes for issue in lost)
    lines = [
        f'{labeled.format} in {labeled.root}: {len(labeled.images)} of {images_found} images and {len(boxes)} of '
        f'{boxes_found} boxes are taken'
    ]
    lines += [f'  {line}' for line in _kinds(labeled.issues)]
    special = [
        (sum(box.shape == 'polygon' for box in boxes), 'polygon(s) are replaced by their box'),
        (sum(box.shape == 'rotated' for box in boxes), 'rotated box(es) are replaced by their hull'),
        (sum(box.crowd for box in boxes), 'crowd(s) stay crowds (iscrowd)'),
        (sum(box.difficult for box in boxes), 'object(s) stay difficult'),
        (sum(not image.boxes for image in labeled.images), 'image(s) have no object'),
    ]
    lines += [f'  {count} {text}' for count, text in special if count]
    counts = Counter(box.name for box in boxes)
    named = ', '.join(f'{name} ({counts[name]})' for name in labeled.classes[:MAX_CLASSES])
    more = f', and {len(labeled.classes) - MAX_CLASSES} more' if len(labeled.classes) > MAX_CLASSES else ''
    return [*lines, f'  {len(labeled.classes)} classes: {named}{more}']


def _kinds(issues: Iterable[Issue]) -> list[str]:
    """Return a line for each kind of issue, with the first ones."""
    by_kind: dict[str, list[Issue]] = {}
    for issue in issues:
        by_kind.setdefault(issue.kind, []).append(issue)
    lines = []
    for kind in sorted(by_kind, key=list(KINDS).index):
        found = by_kind[kind]
        images = sum(issue.images for issue in found if isinstance(issue, LeftOut))
        boxes = sum(issue.boxes for issue in found if isinstance(issue, LeftOut))
        lost = [f'{count} {what}' for count, what in ((images, 'image(s)'), (boxes, 'box(es)')) if count]
        what = f'{" and ".join(lost)} left out' if lost else f'{len(found)} time(s)'
        more = f'; and {len(found) - MAX_NAMED} more' if len(found) > MAX_NAMED else ''
        lines.append(f'{kind}, {what}: {"; ".join(map(str, found[:MAX_NAMED]))}{more}')
    return lines
