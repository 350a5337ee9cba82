import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from ssd_plugin.datasets.transforms.image_decoding import (
    ORIENTATION,
    UnreadableImage,
    decode,
    decode_jpeg,
    exif_orientation,
    jpeg_size,
    reduction,
    rotate_boxes,
    size_of_file,
    stored_size,
)


@pytest.fixture
def smooth():
    """RGB, smooth, with another color in each corner."""
    corners = np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [220, 220, 40]]], dtype=np.uint8)
    return cv2.resize(corners, (161, 120), interpolation=cv2.INTER_LINEAR)


def encoded(array, kind='JPEG', **options):
    data = io.BytesIO()
    (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(data, kind, **options)
    return data.getvalue()


def close(found, rgb, tolerance=8):
    assert found.dtype == np.uint8 and found.shape == rgb.shape
    assert np.abs(found[..., ::-1].astype(int) - rgb).mean() < tolerance


def test_jpeg_equals_opencvs_and_nearly_so_with_coarse_colors(smooth):
    data = encoded(smooth, quality=95)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg_size(data) == (161, 120)
    assert (decode(data) == expected).all()
    assert 0 < np.abs(decode_jpeg(data).astype(int) - expected).mean() < 1


@pytest.mark.parametrize('reduced', [2, 4, 8])
def test_reduced_jpeg_is_the_image_at_a_fraction_of_its_size(smooth, reduced):
    data = encoded(smooth, quality=95)
    found = decode_jpeg(data, reduced)
    assert found.shape == (-(-120 // reduced), -(-161 // reduced), 3)
    expected = cv2.resize(decode(data), found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - expected)[:-1, :-1].mean() < 3


@pytest.mark.parametrize(
    'needed, expected', [((100, 100), 1), ((80.6, 60), 1), ((80, 60), 2), ((80, 61), 1), ((40, 30), 4), ((3, 3), 8)]
)
def test_an_image_shrinks_only_to_what_is_needed(needed, expected):
    assert reduction((161, 120), needed) == expected


def test_an_image_with_more_pixels_than_opencv_allows_is_unreadable():
    header = struct.pack('>IIBBBBB', 2**16, 2**16, 8, 2, 0, 0, 0)
    chunks = b''.join(
        struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        for name, body in ((b'IHDR', header), (b'IDAT', zlib.compress(b'0')), (b'IEND', b''))
    )
    with pytest.raises(UnreadableImage, match='OpenCV cannot decode it'):
        decode(b'\x89PNG\r\n\x1a\n' + chunks)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_boxes_are_rotated_to_where_the_decoder_shows_the_object(orientation, kind):
    image = np.zeros((48, 96, 3), np.uint8)
    image[8:16, 16:56] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encoded(image, kind, exif=exif, quality=100)
    decoded = decode(data)
    size = decoded.shape[1::-1]
    assert exif_orientation(data) == orientation and stored_size(size, orientation) == (96, 48)
    y, x = np.nonzero(decoded[..., 0] > 128)
    shown = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert rotate_boxes(np.array([[16, 8, 56, 16]]), orientation, size).tolist() == [shown]
    # As VOC counts: from 1, with the last pixel.
    counted = [x.min() + 1, y.min() + 1, x.max() + 1, y.max() + 1]
    assert rotate_boxes(np.array([[17, 9, 56, 16]]), orientation, size, first_pixel=1).tolist() == [counted]


def test_gray_files_become_color(smooth):
    gray = np.asarray(Image.fromarray(smooth).convert('L'))
    for kind in ('JPEG', 'PNG'):
        close(decode(encoded(gray, kind)), np.repeat(gray[..., None], 3, axis=2), 3)


def test_transparency_is_dropped(smooth):
    alpha = np.concatenate([smooth, np.full((120, 161, 1), 100, np.uint8)], axis=2)
    close(decode(encoded(alpha, 'PNG')), smooth, 0.1)


def test_palettes_are_looked_up(smooth):
    image = Image.fromarray(smooth).quantize(64)
    close(decode(encoded(image, 'PNG')), np.asarray(image.convert('RGB')), 0.1)


def test_sixteen_bits_become_eight(smooth):
    sixteen = cv2.imencode('.png', smooth[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    close(decode(sixteen), smooth, 1)
    gray = cv2.imencode('.png', smooth[..., 0].astype(np.uint16) * 257)[1].tobytes()
    close(decode(gray), np.repeat(smooth[..., :1], 3, axis=2), 1)


def test_cmyk_is_converted_to_the_colors_that_it_was_made_from(smooth):
    data = encoded(Image.fromarray(smooth).convert('CMYK'), quality=95)
    assert jpeg_size(data) is None
    close(decode(data), smooth)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('reduced', [1, 2])
def test_exif_turns_the_image_as_viewers_do(smooth, orientation, reduced):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(smooth, quality=95, exif=exif)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert jpeg_size(data) == expected.shape[1::-1] and (jpeg_size(data) == (120, 161)) == (orientation > 4)
    found = decode_jpeg(data, reduced)
    small = cv2.resize(expected, found.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - small).mean() < 3


@pytest.mark.parametrize('fraction', [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize('kind', ['JPEG', 'turned', 'CMYK', 'PNG'])
def test_files_that_are_cut_off_are_unreadable(smooth, fraction, kind):
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
        decode(data[: int(fraction * len(data))])


@pytest.mark.parametrize('data', [b'', b'no image', b'\xff\xd8\xff', b'<html></html>'])
def test_files_without_an_image_are_unreadable(data):
    with pytest.raises(UnreadableImage):
        decode(data)


def test_bytes_after_a_complete_image_are_ignored(smooth):
    close(decode(encoded(smooth, quality=95) + b'\0' * 300), smooth)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF', 'GIF'])
@pytest.mark.parametrize('orientation', [None, 1, 3, 6, 8, 9])
def test_the_size_of_a_file_is_that_of_its_pixels(tmp_path, kind, orientation):
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    # The suffix may lie.
    path = tmp_path / 'image.jpg'
    noise = np.random.RandomState(0).randint(0, 255, (48, 96, 3), np.uint8)
    Image.fromarray(noise).save(path, kind, **(dict(exif=exif) if orientation and kind != 'BMP' else {}))
    assert size_of_file(str(path)) == decode(path.read_bytes()).shape[1::-1]


def test_a_size_is_read_behind_long_metadata_and_not_from_other_files(tmp_path):
    path = tmp_path / 'image.jpg'
    data = cv2.imencode('.jpg', np.zeros((48, 96, 3), np.uint8))[1].tobytes()
    comment = b'\xff\xfe\xff\xff' + bytes(65533)
    path.write_bytes(data[:2] + comment * 2 + data[2:])
    assert size_of_file(str(path)) == (96, 48)
    path.write_text('<html>')
    with pytest.raises(UnreadableImage):
        size_of_file(str(path))
