import base64
import json

import pytest

from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw, labelme_shape, write_labelme

RECTANGLE = labelme_shape('cat', [[1, 2], [30, 40]])


def read(tmp_path, *shapes, **fields):
    draw(tmp_path / 'a.jpg')
    write_labelme(tmp_path / 'a.json', 'a.jpg', (80, 60), list(shapes), **fields)
    return read_folder(tmp_path)


@pytest.mark.parametrize(
    'points', [[[10, 20], [30, 50]], [[30, 50], [10, 20]], [[10, 50], [30, 20]], [[30, 20], [10, 50]]]
)
def test_a_rectangle_is_drawn_from_any_corner(points, tmp_path):
    assert only_boxes(read(tmp_path, labelme_shape('cat', points))) == [('cat', (10, 20, 30, 50), 'box')]


def test_other_shapes_are_their_boxes(tmp_path):
    diamond = [[20, 10], [30, 20], [20, 30], [10, 20]]
    labeled = read(
        tmp_path,
        labelme_shape('cat', [[10, 20], [30, 5], [15, 40]], 'polygon'),
        # The center, and a point at a distance of 5.
        labelme_shape('cat', [[30, 30], [33, 34]], 'circle'),
        labelme_shape('cat', diamond, 'oriented_rectangle'),
        labelme_shape('cat', diamond, 'rotation'),
        labelme_shape('cat', [[3, 4], [13, 24]], 'mask'),
        labelme_shape('cat', [[1, 2], [9, 2], [9, 8], [1, 8]]),
    )
    assert only_boxes(labeled) == [
        ('cat', (10, 5, 30, 40), 'polygon'),
        ('cat', (25, 25, 35, 35), 'polygon'),
        ('cat', (10, 10, 30, 30), 'rotated'),
        ('cat', (10, 10, 30, 30), 'rotated'),
        ('cat', (3, 4, 13, 24), 'polygon'),
        ('cat', (1, 2, 9, 8), 'box'),
    ]


def test_what_has_no_box_is_counted(tmp_path):
    labeled = read(
        tmp_path,
        labelme_shape('cat', [[1, 2]], 'point'),
        labelme_shape('cat', [[1, 2], [3, 4]], 'line'),
        labelme_shape('cat', [[1, 2]]),
        labelme_shape('', [[1, 2], [3, 4]]),
        labelme_shape('cat', [[1, 2], [3]]),
        labelme_shape('cat', None),
        {'label': 'cat', 'shape_type': 'rectangle'},
        5,
        labelme_shape('cat', [[1, 2], [30, 40]], difficult=True),
    )
    assert len(only_boxes(labeled)) == 1 and labeled.images[0].boxes[0].difficult
    assert kinds(labeled) == {'unsupported shape': (0, 2), 'incomplete object': (0, 6)}


def test_labels_that_are_no_classes_are_left_out(tmp_path):
    names = ('cat', '__ignore__', '_background_')
    labeled = read(tmp_path, *(labelme_shape(name, [[1, 2], [30, 40]]) for name in names))
    assert labeled.classes == ('cat',) and kinds(labeled) == {'marked to be ignored': (0, 2)}


@pytest.mark.parametrize(
    'image_path', ['a.jpg', '..\\photos\\a.jpg', 'C:\\x\\A.JPG', '../a.png', '', None, 'old name.jpg']
)
def test_an_image_is_found_by_its_path_or_by_the_name_of_the_file(image_path, tmp_path):
    assert read(tmp_path, RECTANGLE, imagePath=image_path).images[0].path == tmp_path / 'a.jpg'


def test_the_image_may_be_in_a_sibling_folder(tmp_path):
    draw(tmp_path / 'images/a.jpg')
    write_labelme(tmp_path / 'labels/a.json', 'a.jpg', (80, 60), [RECTANGLE])
    assert read_folder(tmp_path).images[0].path == tmp_path / 'images/a.jpg'


def test_files_of_old_versions_and_those_with_the_picture_inside_are_recognized(tmp_path):
    for name in 'abc':
        draw(tmp_path / f'{name}.jpg')
    picture = base64.b64encode(bytes(50000)).decode()
    polygon = dict(label='cat', line_color=None, fill_color=None, points=[[1, 2], [30, 4], [5, 40]])
    contents = dict(
        a=dict(shapes=[polygon], lineColor=[0, 255, 0, 128], imagePath='a.jpg', imageData=picture),
        b=dict(flags={}, imageData=picture, imageHeight=60, imagePath='b.jpg', imageWidth=80, shapes=[polygon]),
        c=dict(imagePath='c.jpg', imageData=None, shapes=[polygon]),
    )
    for name, content in contents.items():
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    labeled = read_folder(tmp_path)
    assert [image.boxes[0].corners for image in labeled.images] == [(1, 2, 30, 40)] * 3


@pytest.mark.parametrize('size', [None, (0, 0), (80, None)])
def test_a_size_that_is_missing_is_that_of_the_file(size, tmp_path):
    draw(tmp_path / 'a.jpg')
    write_labelme(tmp_path / 'a.json', 'a.jpg', size, [RECTANGLE])
    assert only_boxes(read_folder(tmp_path)) == [('cat', (1, 2, 30, 40), 'box')]


def test_images_without_any_box_are_refused(tmp_path):
    with pytest.raises(UserError, match=r'none of the 1 images of its LabelMe annotations has a box$'):
        read(tmp_path)
    with pytest.raises(UserError, match=r'has a box: .*a\.json: shapes\[0\]: cat is a point$'):
        read(tmp_path, labelme_shape('cat', [[1, 2]], 'point'))


def test_a_broken_file_is_left_out_and_named(tmp_path):
    draw(tmp_path / 'b.jpg')
    (tmp_path / 'b.json').write_text('{"version": "5.0", "shapes": [}')
    labeled = read(tmp_path, RECTANGLE)
    assert [image.path.name for image in labeled.images] == ['a.jpg']
    assert kinds(labeled) == {'unreadable annotation': (1, 0), 'not annotated': (0, 0)}
    assert 'b.json:1 is not valid JSON' in str(labeled.issues[0])


def test_an_image_that_is_inside_the_annotation_alone_is_missing(tmp_path):
    write_labelme(tmp_path / 'a.json', 'a.jpg', (80, 60), [labelme_shape('cat', [[1, 2], [3, 4]])], imageData='/9j/')
    with pytest.raises(
        UserError, match=r'has no image for the 1 of its LabelMe annotations: .*there is no image a\.jpg'
    ):
        read_folder(tmp_path)
