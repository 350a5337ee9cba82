"""Image files that are missing, empty or cut off."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ssd_plugin.datasets.image_completeness import defect, defects
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode


def photo(kind, size=(64, 48), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def thumbnail():
    """The EXIF segment of a JPEG with a thumbnail, which is a JPEG with an end of its own."""
    content = b'Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0' + photo('JPEG', (16, 16))
    return b'\xff\xe1' + (len(content) + 2).to_bytes(2, 'big') + content


KINDS = {
    'jpeg': photo('JPEG'),
    'progressive': photo('JPEG', progressive=True),
    'restarts': photo('JPEG', restart_marker_rows=1),
    'png': photo('PNG'),
    'webp': photo('WEBP'),
    'bmp': photo('BMP'),
    'gif': photo('GIF'),
    'thumbnail': photo('JPEG')[:2] + thumbnail() + photo('JPEG')[2:],
    'bytes behind the end': photo('JPEG') + b'\xff\0camera' * 2000,
    'padding between segments': photo('JPEG')[:2] + b'\xff\xff' + photo('JPEG')[2:],
}


@pytest.mark.parametrize('kind', KINDS)
def test_a_whole_image_has_no_defect(kind, tmp_path):
    # Whatever its suffix says.
    (tmp_path / 'image.jpg').write_bytes(KINDS[kind])
    assert defect(str(tmp_path / 'image.jpg')) is None


@pytest.mark.parametrize('kind', ['jpeg', 'progressive', 'restarts', 'png', 'webp', 'thumbnail'])
@pytest.mark.parametrize('missing', [20, 0.5, 0.97])
def test_an_image_that_is_cut_off_is_found(kind, missing, tmp_path):
    data = KINDS[kind]
    cut = missing if isinstance(missing, int) else int(missing * len(data))
    (tmp_path / 'image').write_bytes(data[:-cut])
    assert defect(str(tmp_path / 'image')) is not None


@pytest.mark.parametrize(
    'content, reason',
    [
        (None, 'it is missing'),
        (b'', 'it is empty'),
        (b'<html>not found</html>', 'it is not an image of a known format'),
        (b'\xff\xd8', 'it is cut off'),
        (b'\xff\xd8\xff', 'it is cut off'),
    ],
)
def test_other_defects_are_named(content, reason, tmp_path):
    path = tmp_path / 'image.jpg'
    if content is not None:
        path.write_bytes(content)
    assert defect(str(path)) == reason


def test_a_folder_in_place_of_an_image_is_a_defect(tmp_path):
    assert 'directory' in defect(str(tmp_path))


def test_defects_are_in_the_order_of_the_paths(tmp_path):
    paths = [str(tmp_path / f'{number}.png') for number in range(40)]
    for path in paths[::2]:
        (tmp_path / path).write_bytes(KINDS['png'])
    assert list(defects(paths)) == paths[1::2]


@settings(max_examples=50)
@given(length=st.integers(0, len(KINDS['thumbnail'])))
def test_a_cut_jpeg_that_training_reads_has_no_defect_and_the_other_way_round(length, tmp_path_factory):
    data = KINDS['thumbnail'][:length]
    path = tmp_path_factory.mktemp('cut') / 'image.jpg'
    path.write_bytes(data)
    try:
        decode(data)
    except UnreadableImage:
        assert defect(str(path)) is not None
    else:
        assert defect(str(path)) is None
