from pathlib import Path

import pytest

from ssd_plugin.analysis.dataset_repair import write_repaired
from ssd_plugin.datasets.annotations.records import Annotations
from ssd_plugin.errors import UserError


def annotations(write):
    return Annotations([], [], write, 0)


def note(name):
    """Return annotations that write a file of this name."""

    def write(target):
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text('')

    return annotations(write)


def test_one_dataset_is_written_into_the_folder_and_several_into_subfolders(tmp_path):
    write_repaired([(Path('VOC2007'), note('a'))], tmp_path / 'one')
    write_repaired([(Path('VOC2007'), note('a')), (Path('x/b.json'), note('b.json'))], tmp_path / 'two')
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file())
    assert written == ['one/a', 'two/VOC2007/a', 'two/b.json']


def test_a_folder_that_exists_is_refused(tmp_path):
    with pytest.raises(UserError, match='exists already'):
        write_repaired([(Path('a'), note('a'))], tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_copy_leaves_nothing(tmp_path):

    def fail(target):
        target.mkdir(parents=True, exist_ok=True)
        (target / 'half').write_text('')
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'):
        write_repaired([(Path('a'), note('a')), (Path('b'), annotations(fail))], tmp_path / 'copy')
    assert not list(tmp_path.iterdir())
