import json

from ssd_plugin.datasets.annotations import imported
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw


def annotation(number, rotation=0.0, **fields):
    return (
        dict(
            id=number,
            image_id=1,
            category_id=1,
            segmentation=[],
            area=800.0,
            bbox=[10.0, 20.0, 40.0, 20.0],
            iscrowd=0,
            attributes=dict(occluded=False, rotation=rotation),
        )
        | fields
    )


def write(tmp_path, *annotations):
    draw(tmp_path / 'images/default/a.jpg')
    (tmp_path / 'annotations').mkdir(exist_ok=True)
    content = dict(
        licenses=[],
        info={},
        categories=[dict(id=1, name='cat', supercategory='')],
        images=[dict(id=1, width=80, height=60, file_name='a.jpg', license=0)],
        annotations=list(annotations),
    )
    (tmp_path / 'annotations/instances_default.json').write_text(json.dumps(content))


def test_a_rotated_box_is_its_hull_about_the_center(tmp_path):
    write(tmp_path, annotation(1), annotation(2, 90.0, iscrowd=1), annotation(3, 180.0, attributes={}))
    labeled = read_folder(tmp_path)
    assert labeled.format == 'CVAT COCO with rotated boxes'
    assert only_boxes(labeled) == [
        ('cat', (10, 20, 50, 40), 'box'),
        ('cat', (20, 10, 40, 50), 'rotated'),
        ('cat', (10, 20, 50, 40), 'box'),
    ]
    assert [box.crowd for box in labeled.images[0].boxes] == [False, True, False]


def test_a_file_without_a_rotation_is_left_to_coco(tmp_path):
    write(tmp_path, annotation(1), annotation(2, 0), annotation(3, -0.0))
    assert imported.recognized(tmp_path) == {}


def test_what_cannot_be_read_is_counted(tmp_path):
    broken = [annotation(2, bbox=[1]), annotation(3, image_id=5), annotation(4, category_id=5), annotation(5, 'x'), 6]
    write(tmp_path, annotation(1, 12.5), *broken)
    labeled = read_folder(tmp_path)
    assert len(only_boxes(labeled)) == 1
    assert kinds(labeled) == {'incomplete object': (0, 3), 'unknown image': (0, 1), 'unknown class': (0, 1)}
