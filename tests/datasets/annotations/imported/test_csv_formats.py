import pytest

from ssd_plugin.datasets.annotations.imported import unknown_csv
from ssd_plugin.errors import UserError
from tests.datasets.annotations.imported.reading_support import kinds, only_boxes, read_folder
from tests.sample_folders.imported_formats import draw

TENSORFLOW = 'filename,width,height,class,xmin,ymin,xmax,ymax\n'
OPEN_IMAGES = 'ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n'


def read(tmp_path, text, name='labels.csv'):
    draw(tmp_path / 'a.jpg')
    (tmp_path / name).write_text(text)
    return read_folder(tmp_path)


def test_tensorflow_columns_are_told_by_the_header_in_any_order(tmp_path):
    labeled = read(tmp_path, 'ymax;ymin;xmax;xmin;Class;height;width;filename;id\n40;2;30;1;cat;60;80;a.jpg;7\n')
    assert only_boxes(labeled) == [('cat', (1, 2, 30, 40), 'box')]


def test_tensorflow_boxes_that_end_behind_the_image_count_from_1(tmp_path):
    labeled = read(tmp_path, TENSORFLOW + 'a.jpg,80,60,cat,1,2,81,40\na.jpg,80,60,cat,5,6,7,8\n')
    assert only_boxes(labeled) == [('cat', (0, 1, 80, 39), 'box'), ('cat', (4, 5, 6, 7), 'box')]
    assert kinds(labeled) == {'counted from 1': (0, 0)}
    # 0 occurs, or no box ends behind the image.
    assert only_boxes(read(tmp_path, TENSORFLOW + 'a.jpg,80,60,cat,0,2,81,40\n'))[0][1] == (0, 2, 81, 40)
    assert only_boxes(read(tmp_path, TENSORFLOW + 'a.jpg,80,60,cat,1,2,80,40\n'))[0][1] == (1, 2, 80, 40)


def test_tensorflow_rows_that_cannot_be_read_are_left_out(tmp_path):
    rows = ['a.jpg,80,60,cat,1,2,x,40', 'a.jpg,80,60,,1,2,30,40', 'a.jpg,80,60', '', 'a.jpg,80,60,cat,1,2,30,40']
    labeled = read(tmp_path, TENSORFLOW + '\n'.join(rows))
    assert len(only_boxes(labeled)) == 1 and kinds(labeled) == {'incomplete object': (0, 2)}
    assert "labels.csv:2: 'x' is not a number" in str(labeled.issues[0])


def test_retinanet_rows_without_a_box_are_images_without_an_object(tmp_path):
    draw(tmp_path / 'b.jpg')
    labeled = read(tmp_path, '/old/place/a.jpg,1,2,30,40,cat\nb.jpg,,,,,\n')
    assert [(image.path.name, len(image.boxes)) for image in labeled.images] == [('a.jpg', 1), ('b.jpg', 0)]


def test_retinanet_rows_that_cannot_be_read_are_left_out(tmp_path):
    good = 'a.jpg,1,2,30,40,cat\n' * 20
    labeled = read(tmp_path, good + 'a.jpg,1,2,30,,cat\na.jpg,1,2,30,40\na.jpg,1,2,30,40,\n')
    assert len(only_boxes(labeled)) == 20 and kinds(labeled) == {'incomplete object': (0, 3)}


@pytest.mark.parametrize(
    'text', ['a,1,2,3,4,cat\n', 'a.jpg,1,2,3,4\n', 'a.jpg,x,2,3,4,cat\n', 'path,x1,y1,x2,y2,class\na.jpg,1,2,3,4,cat\n']
)
def test_six_columns_alone_are_not_retinanet(text, tmp_path):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(UserError, match=r'a\.csv is a CSV with the columns \w+'):
        unknown_csv.refuse(unknown_csv.recognize(tmp_path))


def test_open_images_fractions_are_in_the_order_xmin_xmax_ymin_ymax_and_groups_are_crowds(tmp_path):
    labeled = read(tmp_path, OPEN_IMAGES + 'a,xclick,/m/01yrx,1,0.25,0.5,0.1,0.9,0\na,xclick,Dog,1,0,1,0,1,1\n')
    assert only_boxes(labeled) == [('/m/01yrx', (20, 6, 40, 54), 'box'), ('Dog', (0, 0, 80, 60), 'box')]
    assert [box.crowd for box in labeled.images[0].boxes] == [False, True]


def test_open_images_that_were_not_downloaded_are_one_issue(tmp_path):
    rows = ''.join(f'x{number},xclick,/m/01yrx,1,0.25,0.5,0.1,0.9,0\n' for number in range(7))
    labeled = read(tmp_path, OPEN_IMAGES + rows + rows + 'a,xclick,/m/01yrx,1,0.25,0.5,0.1,0.9,0\n')
    assert kinds(labeled) == {'missing image': (7, 14)} and len(labeled.issues) == 1
    assert '7 of its 8 images are not in' in str(labeled.issues[0])


def test_a_competition_is_refused_in_one_line_that_says_what_to_do(tmp_path):
    (tmp_path / 'train.csv').write_text('image_id,width,height,bbox,source\na,80,60,"[1, 2, 3, 4]",x\n')
    (file,) = unknown_csv.recognize(tmp_path)
    with pytest.raises(UserError) as error:
        unknown_csv.refuse([file])
    assert str(error.value) == (
        f'{file} is a CSV with the columns image_id, width, height, bbox, source, which do not tell how a box is '
        'meant; write it with the columns filename,width,height,class,xmin,ymin,xmax,ymax (a row for each box, corners '
        'in pixels)'
    )


def test_text_of_other_encodings_is_read(tmp_path):
    draw(tmp_path / 'ä.jpg')
    text = TENSORFLOW + 'ä.jpg,80,60,Käse,1,2,30,40\n'
    for encoding in ('utf-8', 'utf-8-sig', 'utf-16', 'cp1252'):
        (tmp_path / 'labels.csv').write_bytes(text.encode(encoding))
        assert only_boxes(read_folder(tmp_path)) == [('Käse', (1, 2, 30, 40), 'box')]


def test_one_set_in_two_files_is_taken_once(tmp_path):
    rows = 'a.jpg,80,60,cat,1,2,30,40\n'
    (tmp_path / 'train_labels.csv').write_text(TENSORFLOW + rows)
    labeled = read(tmp_path, TENSORFLOW + rows)
    assert [image.split for image in labeled.images] == ['train'] and kinds(labeled) == {'listed twice': (0, 0)}
    labeled = read(tmp_path, TENSORFLOW + rows.replace('40', '50'))
    assert labeled.images[0].boxes[0].corners == (1, 2, 30, 40) and kinds(labeled) == {'different boxes': (0, 1)}
    # An image in two splits stays in both: the dataset check reports the leak.
    (tmp_path / 'test_labels.csv').write_text(TENSORFLOW + rows)
    assert [image.split for image in read_folder(tmp_path).images] == ['test', 'train']


def test_labels_of_other_images_are_refused(tmp_path):
    rows = ''.join(f'a.jpg,{x},500,{x + 20},540,cat\n' for x in (100, 200, 300))
    with pytest.raises(UserError, match=r'3 of the 4 boxes in .* do not fit their images'):
        read(tmp_path, rows + 'a.jpg,1,2,3,4,cat\n')


def test_an_image_that_cannot_be_read_is_left_out(tmp_path):
    (tmp_path / 'b.jpg').write_text('no image')
    labeled = read(tmp_path, TENSORFLOW + 'a.jpg,80,60,cat,1,2,30,40\nb.jpg,80,60,cat,1,2,30,40\n')
    assert kinds(labeled) == {'unreadable image': (1, 1), 'not annotated': (0, 0)}


def test_images_that_fit_equally_are_left_out_and_named(tmp_path):
    for number in (1, 2):
        draw(tmp_path / f'{number}/b.jpg', seed=number)
    labeled = read(tmp_path, TENSORFLOW + 'a.jpg,80,60,cat,1,2,30,40\nb.jpg,80,60,cat,1,2,30,40\n')
    assert kinds(labeled)['ambiguous image'] == (1, 1)
