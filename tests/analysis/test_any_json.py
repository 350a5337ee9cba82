"""Whatever stands in a JSON file: the check names it, training builds or refuses it, and the two agree."""

import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS

from ssd_plugin.analysis import dataset_issues, dataset_sources
from ssd_plugin.analysis.image_scan import read_all
from ssd_plugin.datasets.annotations.records import KINDS, UNSAFE
from ssd_plugin.errors import UnusableData

CLASSES = ('circle', 'square')
WHOLE = dict(
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
    """Paths to all values."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield *before, key
        yield from places(value, (*before, key))


def changed(seed):
    """The whole content with one or two values replaced or taken out."""
    chance, content = random.Random(seed), copy.deepcopy(WHOLE)
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


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_any_change_is_named_or_harmless(seed, folder):
    path = folder / 'instances.json'
    path.write_text(json.dumps(changed(seed)))
    ((_, annotations),) = dataset_sources.of_path(path, folder, CLASSES)
    found = dataset_issues.find(annotations, read_all(picture.path for picture in annotations.pictures), 0)
    annotations.write(folder / 'copy')
    try:
        DATASETS.build(
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
    except UnusableData:
        assert any(KINDS[fault.kind] == UNSAFE for fault in found)
