import json
import math

import pytest

from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw, via_rectangle, via_region, write_via_csv

RECTANGLE = via_rectangle(1, 2, 30, 40)


def write_json(folder, entries):
    (folder / 'via.json').write_text(json.dumps(entries))


@pytest.fixture(params=[write_json, write_via_csv], ids=['json', 'csv'])
def read(request, tmp_path):
    """Read an image with regions, from JSON or from CSV."""

    def read_regions(*regions, **options):
        size = draw(tmp_path / 'a.jpg').stat().st_size
        entry = dict(filename='a.jpg', size=size, regions=list(regions), file_attributes={})
        request.param(tmp_path, {f'a.jpg{size}': entry})
        return read_folder(tmp_path, **options)

    return read_regions


def test_shapes_are_their_boxes(read):
    shapes = [
        dict(name='rect', x=1, y=2, width=29, height=38),
        dict(name='circle', cx=30, cy=30, r=5.5),
        dict(name='ellipse', cx=30, cy=30, rx=20, ry=10),
        dict(name='ellipse', cx=30, cy=30, rx=20, ry=10, theta=math.pi / 2),
        dict(name='polygon', all_points_x=[10, 30, 15], all_points_y=[20, 5, 40]),
    ]
    assert only_boxes(read(*(via_region(shape, kind='cat') for shape in shapes))) == [
        ('cat', (1, 2, 30, 40), 'box'),
        ('cat', (24.5, 24.5, 35.5, 35.5), 'polygon'),
        ('cat', (10, 20, 50, 40), 'polygon'),
        ('cat', (20, 10, 40, 50), 'polygon'),
        ('cat', (10, 5, 30, 40), 'polygon'),
    ]


def test_what_has_no_box_or_no_class_is_counted(read):
    labeled = read(
        via_region(dict(name='point', cx=1, cy=2), kind='cat'),
        via_region(dict(name='polyline', all_points_x=[1, 2], all_points_y=[3, 4]), kind='cat'),
        via_region(dict(name='rect', x=1, y=2), kind='cat'),
        via_region(RECTANGLE, kind=''),
        via_region(RECTANGLE, kind='cat'),
    )
    assert len(only_boxes(labeled)) == 1
    assert kinds(labeled) == {'unsupported shape': (0, 2), 'incomplete object': (0, 2)}


def test_the_class_is_the_only_attribute_that_all_regions_have(read):
    labeled = read(
        via_region(RECTANGLE, note='blurred', kind='cat'),
        via_region(via_rectangle(2, 3, 4, 5), note='', kind={'dog': True, 'cat': False}),
    )
    assert [box[0] for box in only_boxes(labeled)] == ['cat', 'dog']


def test_several_attributes_are_an_error_that_lists_them_and_the_option_decides(read):
    regions = [via_region(RECTANGLE, color='red', kind='cat'), via_region(RECTANGLE, color='blue', kind='cat')]
    with pytest.raises(
        UserError, match=r'which one is the class \(--class-attribute\): color \(red, blue\); kind \(cat\)'
    ):
        read(*regions)
    assert read(*regions, class_attribute='color').classes == ('blue', 'red')
    with pytest.raises(UserError, match=r'has the attribute colour \(--class-attribute\); did you mean color'):
        read(*regions, class_attribute='colour')


def test_regions_without_attributes_are_of_one_class(read):
    labeled = read(via_region(RECTANGLE), via_region(via_rectangle(2, 3, 4, 5)))
    assert labeled.classes == ('object',) and 'no class names' in kinds(labeled)


def test_the_file_of_version_1_has_regions_by_number_and_the_picture_before_them(tmp_path):
    draw(tmp_path / 'a.jpg')
    entry = dict(
        fileref='',
        size=5,
        filename='a.jpg',
        base64_img_data='A' * 50000,
        file_attributes={},
        regions={'0': via_region(RECTANGLE, kind='cat')},
    )
    write_json(tmp_path, {'a.jpg5': entry})
    assert only_boxes(read_folder(tmp_path)) == [('cat', (1, 2, 30, 40), 'box')]


def test_the_header_of_version_1_begins_with_a_hash(tmp_path):
    draw(tmp_path / 'a.jpg')
    write_via_csv(tmp_path, {'': dict(filename='a.jpg', size=5, regions=[via_region(RECTANGLE, kind='cat')])}, '#')
    assert only_boxes(read_folder(tmp_path)) == [('cat', (1, 2, 30, 40), 'box')]


def test_a_class_attribute_is_refused_for_formats_that_have_none(tmp_path):
    (tmp_path / 'a.csv').write_text('a.jpg,1,2,3,4,cat\n')
    with pytest.raises(UserError, match='RetinaNet CSV, in which classes are not attributes'):
        read_folder(tmp_path, class_attribute='kind')


def test_entries_that_cannot_be_read_are_counted(tmp_path):
    draw(tmp_path / 'a.jpg')
    good = dict(filename='a.jpg', size=5, regions=[via_region(RECTANGLE, kind='cat')])
    write_json(tmp_path, {'a': good, 'b': 5, 'c': dict(filename='c.jpg'), 'd': good | dict(regions=[7])})
    labeled = read_folder(tmp_path)
    assert only_boxes(labeled) == [('cat', (1, 2, 30, 40), 'box')]
    assert kinds(labeled)['incomplete object'] == (2, 0) and kinds(labeled)['unsupported shape'] == (0, 1)
