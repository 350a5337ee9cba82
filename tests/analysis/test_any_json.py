"""Random JSON files: the check reports what is wrong, training accepts or refuses the file, and the two agree."""

import copy
import json
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS

from ssd_plugin.analysis import dataset_issues, dataset_sources
from ssd_plugin.analysis.image_scan import read_all
from ssd_plugin.datasets.annotations.coco_rules import IGNORED
from ssd_plugin.datasets.annotations.records import Severity
from ssd_plugin.errors import UnusableData, UserError

CLASSES = ('circle', 'square')
INTACT = dict(
    images=[dict(id=number, file_name=f'{number}.jpg', width=320, height=240) for number in (1, 2)],
    annotations=[
        dict(id=number, image_id=number, category_id=number, bbox=[10, 10, 20, 20], area=400, iscrowd=0, ignore=0)
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


def paths_to_values(node, before=()):
    """Yield the keys that lead to each value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield *before, key
        yield from paths_to_values(value, (*before, key))


def changed(seed):
    """Return the intact content with one or two values replaced or removed."""
    chance, content = random.Random(seed), copy.deepcopy(INTACT)
    for _ in range(chance.randint(1, 2)):
        *path, last = chance.choice(list(paths_to_values(content)))
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
    # All of a few images may be unusable.
    with suppress(UserError):
        annotations.write(folder / 'copy')
    skipped = {
        issue.where
        for issue in issues
        if 'annotations[' in issue.where and (issue.severity is Severity.WARNING or issue.kind == IGNORED)
    }
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
            st.sampled_from([{}, {}, dict(ignore=0), dict(ignore=1)]),
        ),
        max_size=12,
    )
)
def test_the_check_calls_skipped_the_boxes_that_training_skips(folder, rows):
    annotations = [
        dict(id=number, image_id=image, category_id=category, bbox=box, area=area, **flags)
        for number, (*box, area, image, category, flags) in enumerate(rows)
    ]
    assert_they_agree({**INTACT, 'annotations': annotations}, folder)


@pytest.mark.parametrize('damage', [dict(bbox=[float('nan'), 0, 5, 5]), dict(bbox=[5, 5, 0, 5]), dict(area=0), {}])
def test_ignored_annotations_are_neither_errors_nor_warnings_and_never_counted(folder, damage):
    """Whatever else is wrong with them: training does not look at them either."""
    first, second = INTACT['annotations']
    content = {**INTACT, 'annotations': [{**first, **damage, 'ignore': 1}, second]}
    assert_they_agree(content, folder)
    issues, skipped = check(folder / 'instances.json', folder)
    assert [issue.kind for issue in issues if 'annotations[' in issue.where] == [IGNORED] and skipped == 1
    ((_, annotations),) = dataset_sources.of_path(folder / 'instances.json', folder, CLASSES)
    assert [len(image.boxes) for image in annotations.images] == [0, 1]
    table = build(folder / 'instances.json', folder).table
    assert table.skipped == {IGNORED: 1} and table.broken == 0


def test_the_check_and_training_use_the_same_one_of_several_entries_with_an_id(folder):
    images, categories = INTACT['images'], INTACT['categories']
    content = {
        **INTACT,
        'images': [*images, dict(id=1, file_name='other.jpg', width=50, height=40)],
        'categories': [dict(id=2, name='other'), *categories],
    }
    path = folder / 'instances.json'
    path.write_text(json.dumps(content))
    ((_, annotations),) = dataset_sources.of_path(path, folder, CLASSES)
    info = build(path, folder).get_data_info(0)
    assert [issue.where.split(': ')[-1] for issue in annotations.issues if issue.kind == 'duplicate id'] == [
        'images[0] (id 1)',
        'categories[0] (id 2)',
    ]
    used = next(image for image in annotations.images if image.where.endswith('images[2] (id 1)'))
    assert info['img_path'] == used.path.name == 'other.jpg' and (info['width'], info['height']) == used.size
    assert [box.name for image in annotations.images for box in image.boxes] == ['square', 'circle']
