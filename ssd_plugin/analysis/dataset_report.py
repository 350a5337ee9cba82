"""Report of the dataset check, as text."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from ssd_plugin.datasets.annotations.records import KINDS, Issue, Severity
from ssd_plugin.datasets.unusable_data import exceeds

HEADINGS = {
    Severity.ERROR: 'errors: training or evaluation would stop, or be wrong',
    Severity.WARNING: 'warnings: skipped in training',
    Severity.INFO: 'info: worth a look',
}


def issue_lines(issues: list[Issue], max_listed: int) -> Iterator[str]:
    """Yield the lines that list the issues by severity and kind, the most severe first.

    Args:
        issues: All issues.
        max_listed: Number of issues of a kind to list; 0 for all.
    """
    by_kind: dict[str, list[Issue]] = defaultdict(list)
    for issue in sorted(issues, key=_location_key):
        by_kind[issue.kind].append(issue)
    for severity, heading in HEADINGS.items():
        kinds = [kind for kind in KINDS if KINDS[kind] is severity and kind in by_kind]
        if kinds:
            yield f'\n{heading}'
        for kind in kinds:
            found = by_kind[kind]
            yield f'  {kind}: {len(found)}'
            listed = found[: max_listed or None]
            for issue in listed:
                yield f'    {issue}'
            if len(listed) < len(found):
                yield f'    ... and {len(found) - len(listed)} more (--max-listed 0 shows all)'


def _location_key(issue: Issue) -> list[tuple[int, str]]:
    """Return a key that sorts issues by location, with numbers such as line numbers in numerical order."""
    return [(int(part), '') if part.isdecimal() else (0, part) for part in re.split(r'([0-9]+)', issue.where)]


def is_safe(issues: list[Issue], images: int, boxes: int) -> bool:
    """Return whether training can start, learns from correct data, and is evaluated on correct data.

    Args:
        issues: All issues.
        images: Number of annotated images that training may read.
        boxes: Number of annotated boxes.

    Returns:
        ``False`` if there is an error, or if training would skip too many of the images or boxes.
    """
    if any(issue.severity is Severity.ERROR for issue in issues):
        return False
    skipped = [issue.kind for issue in issues if issue.severity is Severity.WARNING]
    skipped_images = sum(kind in ('missing image', 'unreadable image') for kind in skipped)
    return not exceeds(skipped_images, images) and not exceeds(len(skipped) - skipped_images, max(boxes, 1))


def verdict(issues: list[Issue], safe: bool) -> str:
    """Return the last line of the report."""
    counts = Counter(issue.severity for issue in issues)
    numbers = ', '.join(
        f'{name}: {counts[severity]}'
        for name, severity in (('errors', Severity.ERROR), ('warnings', Severity.WARNING), ('info', Severity.INFO))
    )
    return f'training is {"safe" if safe else "NOT safe"}; {numbers}'
