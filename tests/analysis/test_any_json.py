"""Random JSON files: the check reports what is wrong, training accepts or refuses the file, and the two agree."""

import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS

from ssd_plugin.analysis import dataset_issues, dataset_sources
from ssd_plugin.analysis.image_scan import read_all
from ssd_plugin.datasets.annotations.records import Severity
from ssd_plugin.errors import UnusableData

CLASSES = ('circle', 'square')
INTACT = dict(
    images=[dict(id=number, file_name=f'{number}.jpg', width=320, height=240) for number in (1, 2)],
    annotations=[
        dict(id=number, image_id=number, category_id=number, bbox=[10, 10, 20, 20], area=400, iscrowd=0)
        for number in (1, 2)
    ],
    categories=[dict(id=number, name=name) for number, name in enumerate(CLASSES, 1)],
)
VALUES = [
    None,
    5,
    -1,
    0,
    2**70,
    1e300,
    float('nan'),
    float('inf'),
    '',
    'text',
    '\ud800',
    'a\0b',
    [],
    {},
    [1],
    {'id': 1},
    [[1]],
    True,
]


def places(node, before=()):
    """Yield the paths to all values."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield *before, key
        yield from places(value, (*before, key))


def changed(seed):
    """Return the intact content with one or two values replaced or removed."""
    chance, content = random.Random(seed), copy.deepcopy(INTACT)
    for _ in range(chance.randint(1, 2)):
        *path, last = chance.choice(list(places(content)))
        node = content
        for key in path:
            node = node[key]
        if chance.random() < 0.25:
            del node[last]
        else:
            node[last] = chance.choice(VALUES)
    return content


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('json')


def build(path, folder):
    return DATASETS.build(
        dict(
            type='SharedCocoDataset',
            ann_file=str(path),
            data_prefix=dict(img=''),
            metainfo=dict(classes=CLASSES),
            cache_dir=str(folder / 'cache'),
            max_broken=1.0,
            pipeline=[],
        )
    )


def check(path, folder):
    """Return the issues of a file, and the number of its annotations that the check calls skipped."""
    ((_, annotations),) = dataset_sources.of_path(path, folder, CLASSES)
    issues = dataset_issues.find(annotations, read_all(image.path for image in annotations.images), 0)
    annotations.write(folder / 'copy')
    skipped = {issue.where for issue in issues if issue.severity is Severity.WARNING and 'annotations[' in issue.where}
    return issues, len(skipped)


def assert_they_agree(content, folder):
    path = folder / 'instances.json'
    path.write_text(json.dumps(content))
    issues, skipped = check(path, folder)
    has_errors = any(issue.severity is Severity.ERROR for issue in issues)
    try:
        dataset = build(path, folder)
    except UnusableData:
        assert has_errors
        return
    if not has_errors:
        assert len(dataset.table.boxes) == len(content['annotations']) - skipped


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_the_check_reports_every_change_that_training_refuses_or_skips(seed, folder):
    assert_they_agree(changed(seed), folder)


SIDES = [-1, 0, 0.5, 0.999, 1, 1.001, 20, 1000]


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([-20, -0.5, 0, 319, 319.5, 320, 100.3]),
            st.sampled_from([-20, -0.5, 0, 239, 239.5, 240, 100.3]),
            st.sampled_from(SIDES),
            st.sampled_from(SIDES),
            st.sampled_from([-1, 0, 400, float('nan')]),
            st.sampled_from([1, 2, 3]),
            st.sampled_from([1, 2, 9]),
        ),
        max_size=12,
    )
)
def test_the_check_calls_skipped_the_boxes_that_training_skips(folder, rows):
    annotations = [
        dict(id=number, image_id=image, category_id=category, bbox=box, area=area)
        for number, (*box, area, image, category) in enumerate(rows)
    ]
    assert_they_agree({**INTACT, 'annotations': annotations}, folder)
