import pytest

from ssd_plugin.analysis.dataset_report import is_safe, issue_lines, verdict
from ssd_plugin.datasets.annotations.records import Issue


def issues(**numbers):
    """Return issues by kind, with underscores for spaces."""
    return [
        Issue(kind.replace('_', ' '), f'a.xml:{number}', 'text')
        for kind, count in numbers.items()
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    'found, safe',
    [
        (dict(), True),
        (dict(duplicate_id=1), False),
        (dict(missing_image=5, no_area=10), True),
        (dict(missing_image=6), False),
        (dict(no_area=8, unknown_class=3), False),
        (dict(duplicate_box=200), True),
    ],
)
def test_training_is_safe_without_errors_and_with_few_skipped_images_and_boxes(found, safe):
    assert is_safe(issues(**found), images=100, boxes=200) is safe


def test_issues_are_listed_by_severity_and_in_numerical_order_of_their_lines():
    found = [Issue('duplicate box', 'a.xml:7', 'same'), *reversed(issues(no_area=11)), *issues(missing_list=1)]
    assert list(issue_lines(found, max_listed=2)) == [
        '\nerrors: training or evaluation would stop, or be wrong',
        '  missing list: 1',
        '    a.xml:1: text',
        '\nwarnings: skipped in training',
        '  no area: 11',
        '    a.xml:1: text',
        '    a.xml:2: text',
        '    ... and 9 more (--max-listed 0 shows all)',
        '\ninfo: worth a look',
        '  duplicate box: 1',
        '    a.xml:7: same',
    ]
    lines = list(issue_lines(found, max_listed=0))
    assert lines.index('    a.xml:9: text') + 1 == lines.index('    a.xml:10: text') and 'max-listed' not in str(lines)


def test_the_verdict_counts_issues_by_severity():
    found = issues(missing_list=1, no_area=2, duplicate_box=3)
    assert verdict(found, False) == 'training is NOT safe; errors: 1, warnings: 2, info: 3'
