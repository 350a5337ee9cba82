"""The tools on folders of labeling tools whose formats are imported."""

import json

import pytest

from tests.sample_folders.imported_formats import FORMATS, draw, via_rectangle, via_region


@pytest.mark.slow
@pytest.mark.parametrize('key', FORMATS)
def test_the_check_understands_each_format_given_nothing_but_the_folder(key, run_tool, tmp_path):
    sample, root = FORMATS[key], tmp_path / 'set'
    root.mkdir()
    sample.write(root, sample.samples)
    checked = run_tool('check_dataset.py', root)
    count = len(sample.expected())
    assert checked.returncode == 0, checked.stderr
    assert f'{sample.name} in {root}: {count} of {count} images and 6 of 6 boxes are taken' in checked.stdout
    assert 'errors: 0, warnings: 0' in checked.stdout


def test_the_browser_shows_a_folder_whose_format_is_imported(run_tool, tmp_path):
    root = tmp_path / 'set'
    root.mkdir()
    FORMATS['cvat'].write(root, FORMATS['cvat'].samples)
    browsed = run_tool('browse_dataset.py', root, '--out', 'sheet.png')
    assert browsed.returncode == 0, browsed.stderr
    assert (tmp_path / 'sheet.png').is_file()


def test_the_option_decides_which_attribute_is_the_class(run_tool, tmp_path):
    root = tmp_path / 'set'
    draw(root / 'a.jpg')
    region = via_region(via_rectangle(1, 2, 3, 4), color='red', kind='cat')
    (root / 'via.json').write_text(json.dumps({'a': dict(filename='a.jpg', size=1, regions=[region])}))
    refused = run_tool('check_dataset.py', root)
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines()[-1] == (
        f'error: the regions of {root} have several attributes; say which one is the class (--class-attribute): '
        'color (red); kind (cat)'
    )
    assert '1 classes: cat (1)' in run_tool('check_dataset.py', root, '--class-attribute', 'kind').stdout
