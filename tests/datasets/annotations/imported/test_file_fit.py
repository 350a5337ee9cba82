import numpy as np
import pytest
from PIL import Image

from ssd_plugin.datasets.annotations.imported.file_fit import (
    OTHER_SIZE,
    ROTATED,
    SCALED,
    UNCLEAR,
    ImageFacts,
    fit_to_file,
    image_facts,
)
from tests.sample_folders.imported_formats import draw

BOX = np.array([[100.0, 200.0, 300.0, 400.0]])


@pytest.mark.parametrize('annotated', [None, (0, 0), (0, 480), (640, 480)])
def test_boxes_stay_where_the_size_agrees_or_is_not_known(annotated):
    boxes, kind, text = fit_to_file(BOX, annotated, ImageFacts((640, 480)))
    assert boxes.tolist() == BOX.tolist() and kind == text == ''


def test_boxes_of_a_larger_copy_are_scaled():
    boxes, kind, text = fit_to_file(np.array([[364.8, 273.6, 3648, 2736]]), (3648, 2736), ImageFacts((800, 600)))
    assert kind == SCALED and boxes == pytest.approx(np.array([[80, 60, 800, 600]]))
    assert text == 'it has 800x600 pixels, but is annotated with 3648x2736; its boxes are scaled'


def test_the_aspect_ratio_may_be_rounded_to_a_pixel():
    # 1000 x 667 to a width of 100 is a height of 66.7.
    assert fit_to_file(BOX, (1000, 667), ImageFacts((100, 67)))[1] == SCALED
    assert fit_to_file(BOX, (1000, 667), ImageFacts((100, 66)))[1] == SCALED
    assert fit_to_file(BOX, (1000, 667), ImageFacts((100, 64)))[1] == OTHER_SIZE


def test_boxes_of_a_smaller_copy_are_scaled():
    boxes, kind, _ = fit_to_file(np.array([[10.0, 10.0, 50.0, 60.0]]), (100, 67), ImageFacts((1000, 667)))
    assert kind == SCALED and boxes[0, [0, 2]].tolist() == [100, 500] and boxes[0, 3] == pytest.approx(60 * 667 / 67)


def test_boxes_of_another_aspect_ratio_are_left_out():
    boxes, kind, text = fit_to_file(BOX, (480, 640), ImageFacts((640, 480)))
    assert boxes is None and kind == OTHER_SIZE and text.endswith('are width and height swapped?')


def test_boxes_that_fit_the_file_alone_are_its_own_whatever_the_size_says():
    boxes, kind, _ = fit_to_file(np.array([[100.0, 200.0, 630.0, 470.0]]), (320, 240), ImageFacts((640, 480)))
    assert boxes.tolist() == [[100, 200, 630, 470]] and kind == ''


def test_boxes_before_an_exif_rotation_are_rotated():
    # Orientation 6 shows the stored image turned clockwise by 90 degrees: (x, y) comes to (height - y, x).
    facts = ImageFacts((480, 640), orientation=6)
    boxes, kind, _ = fit_to_file(BOX, (640, 480), facts)
    assert boxes.tolist() == [[80, 100, 280, 300]] and kind == ROTATED
    boxes, kind, _ = fit_to_file(BOX * 2, (1280, 960), facts)
    assert boxes.tolist() == [[80, 100, 280, 300]] and kind == ROTATED
    boxes, kind, _ = fit_to_file(BOX, (480, 640), facts)
    assert boxes.tolist() == BOX.tolist() and kind == ''


def test_an_exif_rotation_that_an_annotation_does_not_tell_is_reported():
    boxes, kind, _ = fit_to_file(BOX, None, ImageFacts((480, 640), orientation=6))
    assert boxes.tolist() == BOX.tolist() and kind == UNCLEAR
    boxes, kind, _ = fit_to_file(BOX, (640, 480), ImageFacts((640, 480), orientation=3))
    assert boxes.tolist() == BOX.tolist() and kind == UNCLEAR


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_the_size_of_a_file_is_that_after_its_exif_rotation(suffix, tmp_path):
    path = tmp_path / f'a.{suffix}'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (64, 48)).save(path, exif=exif)
    assert image_facts(path) == ImageFacts((48, 64), 6)


def test_a_file_that_is_no_image_has_a_reason(tmp_path):
    (tmp_path / 'a.jpg').write_text('nothing')
    assert image_facts(tmp_path / 'a.jpg').size is None and 'not an image' in image_facts(tmp_path / 'a.jpg').unreadable
    assert image_facts(tmp_path / 'b.jpg').unreadable == 'it is missing'
    lie = draw(tmp_path / 'a.png', (30, 20)).rename(tmp_path / 'lie.jpg')
    assert image_facts(lie).size == (30, 20)
