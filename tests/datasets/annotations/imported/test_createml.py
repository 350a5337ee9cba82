import json

import pytest

from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw


def read(tmp_path, *entries):
    draw(tmp_path / 'a.jpg')
    (tmp_path / 'labels.json').write_text(json.dumps(entries))
    return read_folder(tmp_path)


def annotation(x=20, y=30, width=10, height=6, label='cat'):
    return dict(label=label, coordinates=dict(x=x, y=y, width=width, height=height))


@pytest.mark.parametrize('keys', [('image', 'annotations'), ('imagefilename', 'annotation')])
def test_x_and_y_are_the_center(keys, tmp_path):
    entry = dict(zip(keys, ('a.jpg', [annotation()])), verified=False)
    assert only_boxes(read(tmp_path, entry)) == [('cat', (15, 27, 25, 33), 'box')]


def test_what_cannot_be_read_is_counted(tmp_path):
    broken = [annotation(x='?'), annotation(label=None), dict(label='cat'), 5, annotation(width=float('nan'))]
    good = [annotation(x=20 + i) for i in range(3)]
    labeled = read(tmp_path, dict(image='a.jpg', annotations=broken + good), dict(image=5, annotations=[]), 'text')
    assert len(only_boxes(labeled)) == 3
    assert kinds(labeled) == {'incomplete object': (2, 4), 'non-finite coordinates': (0, 1)}


def test_a_broken_file_is_an_error(tmp_path):
    (tmp_path / 'labels.json').write_text('[{"image": "a.jpg", "annotations": [')
    with pytest.raises(UserError, match=r'labels\.json:1 is not valid JSON'):
        read_folder(tmp_path)
