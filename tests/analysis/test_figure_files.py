import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from ssd_plugin.analysis.figure_files import check_format, save_figure, save_image
from ssd_plugin.errors import UserError
from tests.support import disk_with_room_for


def test_a_figure_is_written_in_the_format_of_its_suffix(tmp_path):
    for name in ('a.png', 'a.pdf', 'b'):
        save_figure(Figure(), tmp_path / name)
    assert cv2.imread(str(tmp_path / 'a.png')) is not None and (tmp_path / 'a.pdf').read_bytes().startswith(b'%PDF')
    assert (tmp_path / 'b').read_bytes().startswith(b'\x89PNG')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.pdf', 'a.png', 'b']


def test_a_suffix_that_names_no_format_is_an_error(tmp_path):
    check_format(tmp_path / 'A.PNG')
    with pytest.raises(UserError, match='change the suffix'):
        check_format(tmp_path / 'a.doc')


def test_an_image_is_written_in_the_format_of_its_suffix(tmp_path):
    image = np.random.RandomState(0).randint(0, 256, (8, 9, 3), np.uint8)
    save_image(image, tmp_path / 'a.png')
    assert (cv2.imread(str(tmp_path / 'a.png')) == image).all()


@pytest.mark.parametrize('name', ['a.jpg', 'a.png'])
def test_on_a_full_disk_the_file_is_named_and_the_one_before_stays(name, tmp_path):
    path = tmp_path / name
    noise = np.random.RandomState(0).randint(0, 256, (200, 200, 3), np.uint8)
    for save, content in ((save_image, noise), (save_figure, Figure(figsize=(20, 20)))):
        path.write_bytes(b'before')
        with disk_with_room_for(1000), pytest.raises(OSError, match=f"File too large: '{path}'"):
            save(content, path)
        assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == b'before'
