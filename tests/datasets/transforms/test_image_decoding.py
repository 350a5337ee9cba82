import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, decode_jpeg, jpeg_size, reduction


@pytest.fixture
def picture():
    """RGB, smooth, with a different colour in each corner."""
    corners = np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [220, 220, 40]]], dtype=np.uint8)
    return cv2.resize(corners, (161, 120), interpolation=cv2.INTER_LINEAR)


def encoded(array, format='JPEG', **options):
    data = io.BytesIO()
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(data, format, **options)
    return data.getvalue()


def close(found, rgb, tolerance=8):
    assert found.dtype == np.uint8 and found.shape == rgb.shape
    assert np.abs(found[..., ::-1].astype(int) - rgb).mean() < tolerance


def test_jpeg_equals_opencvs_and_nearly_so_with_coarse_colours(picture):
    data = encoded(picture, quality=95)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg_size(data) == (161, 120)
    assert (decode(data) == expected).all()
    assert 0 < np.abs(decode_jpeg(data).astype(int) - expected).mean() < 1


@pytest.mark.parametrize('reduced', [2, 4, 8])
def test_reduced_jpeg_is_the_image_at_a_share_of_its_size(picture, reduced):
    data = encoded(picture, quality=95)
    found = decode_jpeg(data, reduced)
    assert found.shape == (-(-120 // reduced), -(-161 // reduced), 3)
    expected = cv2.resize(decode(data), found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected)[:-1, :-1].mean() < 3


@pytest.mark.parametrize(
    'needed, expected', [((100, 100), 1), ((80.6, 60), 1), ((80, 60), 2), ((80, 61), 1), ((40, 30), 4), ((3, 3), 8)]
)
def test_an_image_shrinks_only_to_what_is_needed(needed, expected):
    assert reduction((161, 120), needed) == expected


def test_grey_files_become_colour(picture):
    grey = np.asarray(Image.fromarray(picture).convert('L'))
    for format in ('JPEG', 'PNG'):
        close(decode(encoded(grey, format)), np.repeat(grey[..., None], 3, axis=2), 3)


def test_transparency_is_left_out(picture):
    alpha = np.concatenate([picture, np.full((120, 161, 1), 100, np.uint8)], axis=2)
    close(decode(encoded(alpha, 'PNG')), picture, 0.1)


def test_palettes_are_looked_up(picture):
    image = Image.fromarray(picture).quantize(64)
    close(decode(encoded(image, 'PNG')), np.asarray(image.convert('RGB')), 0.1)


def test_sixteen_bits_become_eight(picture):
    sixteen = cv2.imencode('.png', picture[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    close(decode(sixteen), picture, 1)
    grey = cv2.imencode('.png', picture[..., 0].astype(np.uint16) * 257)[1].tobytes()
    close(decode(grey), np.repeat(picture[..., :1], 3, axis=2), 1)


def test_cmyk_looks_as_elsewhere(picture):
    data = encoded(Image.fromarray(picture).convert('CMYK'), quality=95)
    assert jpeg_size(data) is None
    close(decode(data), picture)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('reduced', [1, 2])
def test_exif_turns_the_image_as_viewers_do(picture, orientation, reduced):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture, quality=95, exif=exif)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg_size(data) == expected.shape[1::-1] and (jpeg_size(data) == (120, 161)) == (orientation > 4)
    found = decode_jpeg(data, reduced)
    small = cv2.resize(expected, found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - small).mean() < 3


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize('kind', ['JPEG', 'turned', 'CMYK', 'PNG'])
def test_files_that_are_cut_off_are_unreadable(picture, share, kind):
    noise = np.random.RandomState(0).randint(0, 256, (120, 161, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = {
        'JPEG': lambda: encoded(noise),
        'turned': lambda: encoded(noise, exif=exif),
        'CMYK': lambda: encoded(Image.fromarray(noise).convert('CMYK')),
        'PNG': lambda: encoded(noise, 'PNG'),
    }[kind]()
    decode(data)
    with pytest.raises(UnreadableImage):
        decode(data[: int(share * len(data))])


@pytest.mark.parametrize('data', [b'', b'no image', b'\xff\xd8\xff', b'<html></html>'])
def test_what_is_no_image_is_unreadable(data):
    with pytest.raises(UnreadableImage):
        decode(data)


def test_what_follows_a_whole_image_is_ignored(picture):
    close(decode(encoded(picture, quality=95) + b'\0' * 300), picture)
