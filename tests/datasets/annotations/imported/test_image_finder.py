from pathlib import Path

import pytest

from ssd_plugin.datasets.annotations.imported.image_finder import AmbiguousImage, NamedImageFinder, name_parts
from tests.sample_folders.imported_formats import draw


def finder(root, *names):
    for number, name in enumerate(names):
        draw(root / name, seed=number)
    return NamedImageFinder(root)


@pytest.mark.parametrize(
    'name',
    [
        'a.jpg',
        'images/a.jpg',
        './images/a.jpg',
        '../images/a.jpg',
        '..\\images\\a.jpg',
        'C:\\Users\\me\\a.jpg',
        'D:a.jpg',
        '/home/me/old place/a.jpg',
        'A.JPG',
        'a.png',
        'a.jpeg',
        'a',
        ' a.jpg ',
    ],
)
def test_an_image_is_found_whatever_machine_wrote_its_name(name, tmp_path):
    found = finder(tmp_path, 'images/a.jpg', 'images/b.jpg')
    assert found.find([name], tmp_path / 'labels/a.json') == tmp_path / 'images/a.jpg'


def test_the_parts_of_a_name_are_those_of_any_system():
    assert name_parts(r'C:\a b\..\c.jpg') == ['a b', 'c.jpg']
    assert name_parts('/x/./y.jpg') == ['x', 'y.jpg']
    assert name_parts('..') == []


def test_a_name_may_have_dots_and_no_suffix(tmp_path):
    found = finder(tmp_path, 'v1.2.jpg', 'v1.jpg')
    assert found.find(['v1.2'], tmp_path / 'x.csv') == tmp_path / 'v1.2.jpg'
    assert found.find(['v1'], tmp_path / 'x.csv') == tmp_path / 'v1.jpg'
    assert found.find(['v2'], tmp_path / 'x.csv') is None
    assert found.find([], tmp_path / 'x.csv') is None


def test_an_accent_may_be_encoded_as_one_letter_or_as_two(tmp_path):
    assert finder(tmp_path, 'a\u0308.jpg').find(['\xe4.jpg'], tmp_path / 'x.csv') == tmp_path / 'a\u0308.jpg'


def test_masks_are_not_taken_for_images(tmp_path):
    found = finder(tmp_path, 'JPEGImages/a.jpg', 'SegmentationObject/a.png', 'SegmentationClass/b.png', 'masks/b.png')
    assert found.find(['a.png'], tmp_path / 'Annotations/a.xml') == tmp_path / 'JPEGImages/a.jpg'
    assert found.find(['b.png'], tmp_path / 'Annotations/b.xml') is None


def test_the_folders_in_a_name_decide_first_then_the_folder_of_the_annotation_then_its_siblings(tmp_path):
    names = ('train/a.jpg', 'val/a.jpg', 'val/b.jpg', 'other/deep/b.jpg')
    found = finder(tmp_path, *names)
    assert found.find(['val/a.jpg'], tmp_path / 'train/x.json') == tmp_path / 'val/a.jpg'
    assert found.find(['a.jpg'], tmp_path / 'train/x.json') == tmp_path / 'train/a.jpg'
    assert found.find(['b.jpg'], tmp_path / 'train/x.json', 'val') == tmp_path / 'val/b.jpg'
    assert found.find(['a.jpg'], tmp_path / 'x.json', 'val') == tmp_path / 'val/a.jpg'


def test_the_case_of_a_name_counts_where_two_files_differ_in_it(tmp_path):
    found = finder(tmp_path, 'a.jpg', 'A.JPG')
    assert found.find(['A.JPG'], tmp_path / 'x.json').name == 'A.JPG'
    assert found.find(['a.jpg'], tmp_path / 'x.json').name == 'a.jpg'


def test_of_several_suffixes_photographs_come_first(tmp_path):
    assert finder(tmp_path, 'a.png', 'a.jpg').find(['a'], tmp_path / 'x.csv') == tmp_path / 'a.jpg'


def test_different_files_that_fit_equally_are_ambiguous_and_copies_are_not(tmp_path):
    found = finder(tmp_path, 'one/a.jpg', 'two/a.jpg')
    with pytest.raises(AmbiguousImage, match=r'one/a\.jpg or .*two/a\.jpg'):
        found.find(['a.jpg'], tmp_path / 'x.csv')
    (tmp_path / 'two/a.jpg').write_bytes((tmp_path / 'one/a.jpg').read_bytes())
    assert found.find(['a.jpg'], tmp_path / 'x.csv') == tmp_path / 'one/a.jpg'


def test_a_file_with_an_unknown_suffix_is_found_by_its_exact_name_if_it_is_an_image(tmp_path):
    draw(tmp_path / 'a.jpg').rename(tmp_path / 'a.jfif')
    (tmp_path / 'b.jfif').write_text('no image')
    found = NamedImageFinder(tmp_path)
    assert found.find(['a.jfif'], tmp_path / 'x.csv') == tmp_path / 'a.jfif'
    assert found.find(['b.jfif'], tmp_path / 'x.csv') is None


def test_hidden_files_and_folders_are_not_searched(tmp_path):
    found = finder(tmp_path, '.cache/a.jpg', '._b.jpg', 'c.jpg')
    assert found.files == [Path(tmp_path / 'c.jpg')]
