import json
import math

import pytest

from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw, label_studio_region, label_studio_task

SIZE = 80, 60


def region(kind, number=0, size=SIZE, **value):
    return label_studio_region(kind, value, size, number)


def rectangle(number=0, name='cat', size=SIZE, **value):
    fields = dict(x=10, y=20, width=50, height=25, rotation=0, rectanglelabels=[name]) | value
    return region('rectanglelabels', number, size, **fields)


def read(tmp_path, *tasks):
    draw(tmp_path / 'a.jpg', SIZE)
    (tmp_path / 'export.json').write_text(json.dumps(tasks))
    return read_folder(tmp_path)


def test_percents_are_those_of_the_original_size(tmp_path):
    assert only_boxes(read(tmp_path, label_studio_task('a.jpg', [rectangle()]))) == [('cat', (8, 12, 48, 27), 'box')]


def test_a_rotated_box_is_its_hull_about_the_top_left_corner_in_pixels(tmp_path):
    # 40 x 15 pixels at (8, 12); a quarter turn clockwise about that corner spans (8 - 15, 12) to (8, 12 + 40).
    quarter = rectangle(rotation=90, x=30)
    third = rectangle(1, rotation=30, x=30)
    labeled = read(tmp_path, label_studio_task('a.jpg', [quarter, third]))
    root = math.sqrt(3)
    assert only_boxes(labeled)[0] == ('cat', (9, 12, 24, 52), 'rotated')
    assert labeled.images[0].boxes[1].corners == pytest.approx((24 - 7.5, 12, 24 + 20 * root, 12 + 20 + 7.5 * root))


def test_polygons_and_ellipses_are_their_boxes(tmp_path):
    polygon = region('polygonlabels', points=[[10, 10], [50, 20], [25, 90]], polygonlabels=['cat'])
    ellipse = region('ellipselabels', 1, x=50, y=50, radiusX=25, radiusY=10, rotation=0, ellipselabels=['dog'])
    labeled = read(tmp_path, label_studio_task('a.jpg', [polygon, ellipse]))
    assert only_boxes(labeled) == [('cat', (8, 6, 40, 54), 'polygon'), ('dog', (20, 24, 60, 36), 'polygon')]


def test_a_shape_and_its_labels_may_be_two_results(tmp_path):
    value = dict(x=10, y=20, width=50, height=25, rotation=0)
    results = [region('rectangle', **value), region('labels', **value, labels=['cat'])]
    results.append(region('choices', **value, choices=['sharp']))
    assert only_boxes(read(tmp_path, label_studio_task('a.jpg', results))) == [('cat', (8, 12, 48, 27), 'box')]


def test_what_has_no_box_or_no_class_is_counted(tmp_path):
    results = [
        region('brushlabels', 1, format='rle', rle=[0], brushlabels=['cat']),
        region('keypointlabels', 2, x=1, y=2, width=0.3, keypointlabels=['eye']),
        region('rectangle', 3, x=10, y=20, width=50, height=25, rotation=0),
        rectangle(4, width=None),
        rectangle(5),
    ]
    labeled = read(tmp_path, label_studio_task('a.jpg', results))
    assert len(only_boxes(labeled)) == 1
    assert kinds(labeled) == {'unsupported shape': (0, 2), 'incomplete object': (0, 2)}


@pytest.mark.parametrize(
    'address',
    [
        'a.jpg',
        '/data/upload/3/1a2b3c4d-a.jpg',
        '/data/local-files/?d=somewhere%2Felse/a.jpg',
        'http://localhost:8080/data/upload/1a2b3c4d-a.jpg?token=1',
        's3://bucket/folder/a.jpg',
        'C:\\photos\\a.jpg',
    ],
)
def test_an_image_is_found_by_its_address(address, tmp_path):
    task = label_studio_task('a.jpg', [rectangle()])
    del task['file_upload']
    task['data'] = dict(text='a cat', picture=address)
    assert read(tmp_path, task).images[0].path == tmp_path / 'a.jpg'


def test_a_name_with_the_prefix_of_an_upload_is_preferred_where_there_is_such_a_file(tmp_path):
    task = label_studio_task('a.jpg', [rectangle()])
    prefixed = draw(tmp_path / task['file_upload'], SIZE, 1)
    assert read(tmp_path, task).images[0].path == prefixed


def test_cancelled_annotations_do_not_count_and_an_empty_one_means_no_object(tmp_path):
    for name in 'bcd':
        draw(tmp_path / f'{name}.jpg', SIZE)
    labeled = read(
        tmp_path,
        label_studio_task('a.jpg', [rectangle()]),
        label_studio_task('b.jpg', [rectangle()], was_cancelled=True),
        label_studio_task('c.jpg', []),
        label_studio_task('d.jpg', []) | dict(annotations=[]),
    )
    assert [(image.path.name, len(image.boxes)) for image in labeled.images] == [('a.jpg', 1), ('c.jpg', 0)]
    assert kinds(labeled)['withdrawn annotation'] == (1, 1) and kinds(labeled)['missing annotation'] == (1, 0)


def test_of_several_annotators_the_ground_truth_or_else_the_last_is_taken(tmp_path):
    task = label_studio_task('a.jpg', [rectangle(name='first')])
    later = task['annotations'][0] | dict(id=2, result=[rectangle(name='later')], updated_at='2026-02-01T00:00:00Z')
    task['annotations'].insert(0, later)
    labeled = read(tmp_path, task)
    assert labeled.classes == ('later',) and kinds(labeled) == {'different boxes': (0, 1)}
    task['annotations'][1]['ground_truth'] = True
    assert read(tmp_path, task).classes == ('first',)


def test_an_object_with_two_labels_is_two_boxes(tmp_path):
    labeled = read(tmp_path, label_studio_task('a.jpg', [rectangle(rectanglelabels=['cat', 'pet'])]))
    assert [box[0] for box in only_boxes(labeled)] == ['cat', 'pet']


def test_a_size_that_a_program_did_not_write_is_that_of_the_file(tmp_path):
    regions = [rectangle(0), rectangle(1, rotation=30)]
    for entry in regions:
        del entry['original_width'], entry['original_height']
    labeled = read(tmp_path, label_studio_task('a.jpg', regions))
    assert only_boxes(labeled) == [('cat', (8, 12, 48, 27), 'box')] and kinds(labeled) == {'incomplete object': (0, 1)}


def test_a_broken_file_is_an_error_with_its_line(tmp_path):
    (tmp_path / 'export.json').write_text('[{"annotations": [{"result": []}],\n "data": {}},\n')
    with pytest.raises(UserError, match=r'export\.json:\d is not valid JSON'):
        read_folder(tmp_path)


def test_a_task_that_is_no_task_is_counted(tmp_path):
    labeled = read(tmp_path, label_studio_task('a.jpg', [rectangle()]), 5, {}, dict(data={}, annotations=[]))
    assert kinds(labeled) == {'incomplete object': (3, 0)}
