import json
from pathlib import Path

import pytest

from ssd_plugin.datasets.annotations.labeled_set import LabeledBox, LabeledImage, LabeledSet
from ssd_plugin.datasets.annotations.records import Issue
from ssd_plugin.datasets.folders.labeled_folder import folder_of
from ssd_plugin.errors import UserError


def test_each_split_of_a_labeled_set_is_a_part_to_write(tmp_path):
    images = tuple(
        LabeledImage(Path(f'mine/{name}.jpg'), 'mine/a.csv', (64, 48), (LabeledBox('cat', (1.5, 2, 3, 4)),), split)
        for name, split in (('a', 'valid'), ('b', 'train'), ('c', 'default'))
    )
    issue = Issue('unknown class', 'mine/a.csv:3', 'it has no class')
    labeled = LabeledSet('CSV', Path('mine'), images, ('cat',), (issue,))
    found = folder_of(
        'csv', labeled, Path('mine/a.csv'), lambda part: json.dumps([i.path.name for i in part.images]).encode()
    )
    assert {name: [image.path.stem for image in split.images] for name, split in found.splits.items()} == dict(
        train=['b'], val=['a'], all=['c']
    )
    ((path, annotations),) = found.sources
    assert path == Path('mine/a.csv') and annotations.issues == [issue] and annotations.first_pixel == 0
    assert annotations.images[0].boxes[0].corners == (1.5, 2, 3, 4) and annotations.images[0].size == (64, 48)
    dataset, files = found.part(found.splits['val'].images, tmp_path / 'val.json')
    assert files == {tmp_path / 'val.json': b'["a.jpg"]'}
    assert dataset['ann_file'] == str(tmp_path / 'val.json') and dataset['data_root'] == 'mine'
    with pytest.raises(UserError, match='--fix does not repair CSV'):
        annotations.write(tmp_path)
