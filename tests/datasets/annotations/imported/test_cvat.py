import pytest

from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw, write_cvat


def image(shapes, name='a.jpg', size=(80, 60), **attributes):
    more = ''.join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<image id="0" name="{name}" width="{size[0]}" height="{size[1]}"{more}>{shapes}</image>'


def box(x1, y1, x2, y2, inner='', **attributes):
    more = ''.join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<box label="cat" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"{more}>{inner}</box>'


def read(tmp_path, text):
    draw(tmp_path / 'images/a.jpg')
    write_cvat(tmp_path, text)
    return read_folder(tmp_path)


def test_a_rotated_box_is_its_hull_about_the_center(tmp_path):
    # 40 x 20 about (30, 30), turned by a quarter, is 20 x 40.
    labeled = read(tmp_path, image(box(10, 20, 50, 40, rotation='90.0') + box(10, 20, 50, 40, rotation='0.0')))
    assert only_boxes(labeled) == [('cat', (20, 10, 40, 50), 'rotated'), ('cat', (10, 20, 50, 40), 'box')]


def test_polygons_ellipses_and_masks_are_their_boxes(tmp_path):
    shapes = (
        '<polygon label="cat" points="10.5,20;30,5.25;15,40" />'
        '<ellipse label="cat" cx="30" cy="30" rx="20" ry="10" rotation="90" />'
        '<mask label="cat" rle="0, 5" left="3" top="4" width="10" height="20" />'
    )
    assert only_boxes(read(tmp_path, image(shapes))) == [
        ('cat', (10.5, 5.25, 30, 40), 'polygon'),
        ('cat', (20, 10, 40, 50), 'polygon'),
        ('cat', (3, 4, 13, 24), 'polygon'),
    ]


def test_shapes_without_a_box_are_counted(tmp_path):
    shapes = (
        '<polyline label="cat" points="1,2;3,4" /><points label="cat" points="1,2" />'
        '<tag label="indoor" /><skeleton label="cat"><points label="eye" points="1,2" /></skeleton>'
    )
    labeled = read(tmp_path, image(shapes + box(1, 2, 30, 40)))
    assert len(only_boxes(labeled)) == 1 and kinds(labeled) == {'unsupported shape': (0, 3)}


def test_attributes_say_which_objects_are_crowds_or_difficult(tmp_path):
    marks = ['<attribute name="is_crowd">true</attribute>', '<attribute name="difficult">1</attribute>', '']
    labeled = read(tmp_path, image(''.join(box(1, 2, 30, 40 + i, mark) for i, mark in enumerate(marks))))
    found = [(found.crowd, found.difficult) for found in labeled.images[0].boxes]
    assert found == [(True, False), (False, True), (False, False)]


def test_a_box_that_cannot_be_read_is_left_out_and_its_neighbors_are_not(tmp_path):
    broken = '<box label="cat" xtl="1" ytl="2" xbr="3" />' + box('x', 1, 2, 3) + '<polygon label="cat" points="" />'
    unusable = box(1, 2, 1, 9) + box(9, 9, 1, 1)
    good = ''.join(box(1, 2, 30, 40 + i) for i in range(3))
    labeled = read(tmp_path, image(broken + unusable + good + '<box xtl="1" ytl="1" xbr="9" ybr="9" />'))
    assert len(only_boxes(labeled)) == 3
    assert kinds(labeled) == {'incomplete object': (0, 4), 'no area': (0, 1), 'swapped corners': (0, 1)}


def test_names_repeat_across_subsets(tmp_path):
    for number, subset in enumerate(('train', 'val')):
        draw(tmp_path / f'images/{subset}/a.jpg', seed=number)
    write_cvat(tmp_path, image(box(1, 2, 3, 4), subset='train') + image(box(5, 6, 7, 8), subset='val'))
    found = {str(i.path.relative_to(tmp_path)): (i.split, i.boxes[0].corners) for i in read_folder(tmp_path).images}
    assert found == {
        'images/train/a.jpg': ('train', (1, 2, 3, 4)),
        'images/val/a.jpg': ('val', (5, 6, 7, 8)),
    }


def test_of_two_files_the_one_with_boxes_is_taken(tmp_path):
    draw(tmp_path / 'a.jpg')
    write_cvat(tmp_path / '1', image(''))
    write_cvat(tmp_path / '2', image(box(1, 2, 30, 40)))
    labeled = read_folder(tmp_path)
    assert len(only_boxes(labeled)) == 1 and kinds(labeled) == {'different boxes': (0, 0)}


def test_the_default_subset_is_no_split(tmp_path):
    assert read(tmp_path, image(box(1, 2, 3, 4), subset='default')).images[0].split is None


def test_a_video_is_refused_in_one_line(tmp_path):
    track = '<track id="0" label="cat">' + box(1, 2, 3, 4, frame='0', outside='1') + '</track>'
    with pytest.raises(
        UserError, match=r'annotations\.xml describes a video \(1 tracks\); export it as "CVAT for imag'
    ):
        read(tmp_path, track)
    labeled = read(tmp_path, track + image(box(1, 2, 3, 4) + box(1, 2, 3, 5, outside='1')))
    assert len(only_boxes(labeled)) == 1 and kinds(labeled) == {'video': (0, 2)}


def test_a_broken_file_is_an_error_with_its_line(tmp_path):
    draw(tmp_path / 'images/a.jpg')
    (tmp_path / 'annotations.xml').write_text('<annotations>\n<version>1.1</version>\n<image id="0">')
    with pytest.raises(UserError, match=r'annotations\.xml:3 cannot be read: not valid XML: no element found'):
        read_folder(tmp_path)


def test_boxes_of_a_larger_copy_are_scaled_and_those_of_another_aspect_ratio_left_out(tmp_path):
    draw(tmp_path / 'images/b.jpg')
    other = image(box(1, 2, 30, 40), 'b.jpg', (100, 200))
    labeled = read(tmp_path, image(box(100, 200, 300, 600), size=(800, 600)) + other)
    assert only_boxes(labeled) == [('cat', (10, 20, 30, 60), 'box')] and labeled.images[0].size == (80, 60)
    assert kinds(labeled) == {'scaled boxes': (0, 0), 'wrong size': (1, 1), 'not annotated': (0, 0)}
    assert 'b.jpg: it has 80x60 pixels, but is annotated with 100x200' in str(labeled.issues[-2])
